"""Deadlines as the command line takes them: `6h` from now, or a moment with its time zone."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from batchline_shared.errors import InvalidInputError

__all__ = ["parse_deadline"]

_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)([smhd])", re.ASCII)

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_deadline(text: str | None) -> timedelta | datetime | None:
    """Read a deadline; whether it has passed, `enqueue` tells.

    Raises:
        InvalidInputError: It is of neither form.
    """
    if text is None:
        return None
    span = _SPAN.fullmatch(text.strip())
    try:
        if span is not None:
            return timedelta(**{_UNITS[span[2]]: float(span[1])})
        return datetime.fromisoformat(text)
    except (OverflowError, ValueError):
        raise InvalidInputError(
            "--deadline must be a time from now, such as 90m, 6h or 2d, or a moment with its time zone, "
            f"such as 2026-12-01T06:00+00:00, not {text!r}"
        ) from None
