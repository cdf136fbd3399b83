"""How many input tokens a request may have, told from its bytes, before anyone has counted them.

No tokenizer: each model has its own, and admission needs the sum of 50,000 requests to within a part of it.
Actual usage corrects the estimate for each model (`ledger.admission.Admission.refine`).
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["BYTES_PER_TOKEN", "INLINE_TOKENS", "estimate_tokens"]

BYTES_PER_TOKEN: Final = 4
"""Of UTF-8. Source: OpenAI's rule of thumb for English, 4 letters a token. Other scripts take 2 or 3 bytes a
letter, and have shorter tokens by about as much, so that bytes need no second rule for them."""

INLINE_TOKENS: Final = 1_500
"""What an inline image or page counts: for OpenAI and Anthropic an image is at most about 1,600 (2026-09)."""

_SMALL_BYTES = 4096
"""A row below this cannot hold inline data that matters, and is not looked through."""

_MARKS = (b"base64", b"inlineData", b"inline_data", b"input_audio")
"""What stands beside inline data: data addresses, Anthropic's sources, Google's parts, OpenAI's audio."""

_INLINE = re.compile(rb"[A-Za-z0-9+/=_-]{1024,}")


def estimate_tokens(row: bytes) -> int:
    """Input tokens of one request; at least 1.

    ceil(bytes / 4), where each piece of inline base64 counts `INLINE_TOKENS` instead of its bytes. The
    length alone decides unless a row is large and bears a mark of inline data. Answers are not counted: no
    provider counts them as enqueued.

    Args:
        row: The request as it is stored or sent, UTF-8.
    """
    size, inline = len(row), 0
    if size >= _SMALL_BYTES and any(mark in row for mark in _MARKS):
        pieces = [len(piece) for piece in _INLINE.findall(row)]
        size, inline = size - sum(pieces), len(pieces) * INLINE_TOKENS
    return max(1, -(-size // BYTES_PER_TOKEN) + inline)
