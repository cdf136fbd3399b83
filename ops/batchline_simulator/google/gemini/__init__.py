"""The Gemini Developer API's files and batches."""

from batchline_simulator.google.gemini.service import GeminiService

__all__ = ["GeminiService"]
