"""What the transports of SDKs on httpx2 have in common when a call fails.

An exception's words may quote a key: they pass `clean` before they become a message.
"""

from __future__ import annotations

import math
import re
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from batchline_shared.errors import ProviderBusyError, ProviderUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchline_shared.errors import ProviderError

__all__ = ["clean", "retry_after_s", "unanswered"]

_KEY_LIKE: Final = re.compile(r"\bsk-[\w*.-]{4,}")
"""Providers quote a part of the refused key in their messages, other servers all of it."""

_MESSAGE_LIMIT: Final = 500


def unanswered(cause: BaseException, *, name: str, secret: str) -> ProviderError:
    """Return our exception for a call that got no answer which could be read.

    Args:
        cause: Of the HTTP library, or any other.
        name: Whose call it was, such as `openai@groq`.
        secret: The key, to be taken out of the message.
    """
    import httpx2  # noqa: PLC0415 - loaded with the SDK, never before it

    words = clean(f"{type(cause).__name__}: {cause}", secret)
    if isinstance(cause, (httpx2.ConnectError, httpx2.ConnectTimeout)):
        # Without a connection no byte of the request left this machine.
        return ProviderBusyError(name, f"no connection, so nothing was sent ({words})")
    return ProviderUnavailableError(name, f"no answer ({words})")


def clean(text: str, secret: str) -> str:
    """Take keys out of a text, and cut it to 500 characters."""
    text = text.replace(secret, "[key]") if secret else text
    return _KEY_LIKE.sub("[key]", text)[:_MESSAGE_LIMIT]


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read how long a server asks its caller to wait.

    Args:
        headers: Of the reply, with lower-case or case-blind names.

    Returns:
        Seconds, at least 0; None where the server says nothing that can be read.

    Source:
        RFC 9110, section 10.2.3; `retry-after-ms` is OpenAI's own.
    """
    for header, per_second in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        wait = _number(headers.get(header))
        if wait is not None:
            return max(0.0, wait / per_second)
    try:
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
