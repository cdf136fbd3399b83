"""Points in time as Google writes them: RFC 3339 in UTC, with six digits."""

import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now_us() -> int:
    """Return the microseconds since 1970."""
    return time.time_ns() // 1000


def moment(us: int) -> str:
    """Write microseconds since 1970 as `2026-09-02T20:06:30.166279Z`."""
    # Whole microseconds throughout: a float would move some of them by one.
    return (_EPOCH + timedelta(microseconds=us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment_ns(ns: int) -> str:
    """Write nanoseconds since 1970 with nine digits, as operations of the Gemini API do."""
    return f"{moment(ns // 1000)[:-1]}{ns % 1000:03}Z"
