"""Whether a failure is a request's last word, or it is tried again by itself.

All requests of a job that fail in one attempt wait until its shards have ended, and then go out together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from batchline_shared.outcomes import ErrorType
from batchline_worker.backoff import jittered_s

if TYPE_CHECKING:
    from batchline_shared.ledger import JobMeta, ShardWork

__all__ = ["Attempt", "backoff_s"]

_LONGEST_S = 24 * 3600.0
"""What doubling ends at."""


class Attempt:
    """The attempt that a shard belongs to, and what its job's policy and deadline say of its failures."""

    def __init__(self, number: int, retry_on: frozenset[str] = frozenset(), *, late: str = "") -> None:
        """Keep what holds for every row.

        Args:
            number: From 1.
            retry_on: Error types that are tried again; none: every failure is the last word.
            late: What to say of requests that were stopped because the job's deadline has passed; empty: it
                has not.
        """
        self.number = number
        self._retry_on = retry_on
        self._late = late

    @classmethod
    def of(cls, meta: JobMeta, shard: ShardWork) -> Self:
        """The attempt that a shard's results belong to."""
        # A shard of an earlier attempt is only read again because outcomes of it were lost.
        over = shard.attempt != meta.attempt or meta.attempt >= meta.last_attempt
        # What a passed deadline stops and goes live is tried again all the same.
        stopped = shard.cancel and not meta.goes_live
        return cls._with(meta, shard.attempt, frozenset() if over or stopped else meta.retry_on)

    @classmethod
    def ending(cls, meta: JobMeta, number: int) -> Self:
        """The attempt of rows that are given up: no policy tries them again."""
        return cls._with(meta, number, frozenset())

    @classmethod
    def _with(cls, meta: JobMeta, number: int, retry_on: frozenset[str]) -> Self:
        if meta.goes_live and number == meta.attempt:
            retry_on |= {ErrorType.EXPIRED}
        return cls(number, retry_on, late=_late(meta))

    def said(self, error_type: ErrorType | None, message: str) -> tuple[ErrorType | None, str]:
        """What to say of a failure: what was cancelled because of a deadline has expired."""
        if self._late and error_type is ErrorType.CANCELLED:
            return ErrorType.EXPIRED, self._late
        return error_type, message

    def retries(self, error_type: ErrorType | None) -> bool:
        """Whether a request that failed so is tried again."""
        return error_type is not None and error_type in self._retry_on


def _late(meta: JobMeta) -> str:
    if not meta.overdue or meta.deadline is None:
        return ""
    return f"the job's deadline, {meta.deadline}, passed before this request was run"


def backoff_s(meta: JobMeta, attempt: int) -> float:
    """Seconds before an attempt: the policy's backoff, doubled for each one after the second of a round."""
    second = meta.last_attempt - meta.max_attempts + 2
    longest_s = max(_LONGEST_S, meta.backoff_s)
    return jittered_s(min(longest_s, meta.backoff_s * 2.0 ** min(max(0, attempt - second), 32)))
