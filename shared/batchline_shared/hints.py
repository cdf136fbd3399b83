"""Which providers send webhooks when a batch has ended, and where their secret is.

Such a message is a hint: it makes the batch's poll due at once, and proves
nothing. Anthropic and Vertex AI send none.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HINT_SECRETS"]

HINT_SECRETS: Final[Mapping[str, str]] = MappingProxyType(
    {"openai": "OPENAI_WEBHOOK_SECRET", "gemini": "GEMINI_WEBHOOK_SECRET"}
)
"""Provider → the environment variable with the secret of its usual account's webhooks; a named account
says its own."""
