"""Anthropic's Message Batches API, as its SDK and its recordings show it."""

from batchline_simulator.anthropic.service import AnthropicService

__all__ = ["AnthropicService"]
