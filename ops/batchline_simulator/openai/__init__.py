"""The OpenAI Batch and Files API, as its SDK and its recordings show it."""

from batchline_simulator.openai.service import OpenAiService

__all__ = ["OpenAiService"]
