"""Closing an SDK's connections: a worker process keeps them until it ends, a test must not leave them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchline_worker.providers.gemini import GeminiProvider
from batchline_worker.providers.google import GoogleProvider

if TYPE_CHECKING:
    from batchline_worker.providers.anthropic import AnthropicProvider
    from batchline_worker.providers.openai import OpenAIProvider

__all__ = ["hang_up"]


def hang_up(provider: OpenAIProvider | AnthropicProvider | GoogleProvider | GeminiProvider) -> None:
    """Close what the provider's calls have opened; the collector would find the sockets first, and warn."""
    if isinstance(provider, GoogleProvider | GeminiProvider):
        provider.close()
        return
    sdk = provider._client._sdk
    if sdk is not None:
        sdk.close()
