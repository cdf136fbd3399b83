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

    def __init__(
        self,
        number: int,
        retry_on: frozenset[str] = frozenset(),
        *,
        last: int = 0,
        is_open: bool = False,
        late: str = "",
        goes_live: bool = False,
    ) -> None:
        """Keep what the policy says.

        Args:
            number: Of the attempt, from 1.
            retry_on: Error types that are tried again.
            last: The attempt whose failures are final for a row whose answers were never sent back.
            is_open: Whether another attempt may follow; else every failure is the last word.
            late: What to say of requests that were stopped because the job's deadline has passed; empty: it
                has not.
            goes_live: Whether what has expired is asked live, whatever the policy says.
        """
        self.number = number
        self.is_open = is_open
        self._retry_on = retry_on
        self._late = late
        self._last = last
        self._goes_live = goes_live

    @classmethod
    def of(cls, meta: JobMeta, shard: ShardWork) -> Self:
        """The attempt that a shard's results belong to."""
        # A shard of an earlier attempt is only read again because outcomes of it were lost.
        over = shard.attempt != meta.attempt
        # What a passed deadline stops and goes live is tried again all the same.
        stopped = shard.cancel and not meta.goes_live
        return cls._with(meta, shard.attempt, is_open=not over and not stopped)

    @classmethod
    def ending(cls, meta: JobMeta, number: int) -> Self:
        """The attempt of rows that are given up: no policy tries them again."""
        return cls._with(meta, number, is_open=False)

    @classmethod
    def _with(cls, meta: JobMeta, number: int, *, is_open: bool) -> Self:
        return cls(
            number,
            meta.retry_on,
            last=meta.last_attempt,
            is_open=is_open,
            late=_late(meta),
            goes_live=meta.goes_live and number == meta.attempt,
        )

    def said(self, error_type: ErrorType | None, message: str) -> tuple[ErrorType | None, str]:
        """What to say of a failure: what was cancelled because of a deadline has expired."""
        if self._late and error_type is ErrorType.CANCELLED:
            return ErrorType.EXPIRED, self._late
        return error_type, message

    def retries(self, error_type: ErrorType | None, reasks: int = 0) -> bool:
        """Whether a request that failed so is tried again; attempts that sent an answer back do not count."""
        if self._goes_live and error_type is ErrorType.EXPIRED:
            return True
        wanted = error_type is not None and error_type in self._retry_on
        return wanted and self.is_open and self.number - reasks < self._last


def _late(meta: JobMeta) -> str:
    if not meta.overdue or meta.deadline is None:
        return ""
    return f"the job's deadline, {meta.deadline}, passed before this request was run"


def backoff_s(meta: JobMeta, attempt: int) -> float:
    """Seconds before an attempt: the policy's backoff, doubled for each one after the second of a round.

    None where the provider did not fail in the one before, and answers alone are sent back.
    """
    if meta.reask and meta.failed_attempt != attempt - 1:
        return 0.0
    second = meta.last_attempt - meta.max_attempts + 2
    longest_s = max(_LONGEST_S, meta.backoff_s)
    return jittered_s(min(longest_s, meta.backoff_s * 2.0 ** min(max(0, attempt - second), 32)))
