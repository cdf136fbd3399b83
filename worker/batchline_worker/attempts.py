"""Whether a failure is a request's last word, or it is tried again by itself.

All requests of a job that fail in one attempt wait until its shards have ended, and then go out together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from batchline_worker.backoff import jittered_s

if TYPE_CHECKING:
    from batchline_shared.ledger import JobMeta, ShardWork
    from batchline_shared.outcomes import ErrorType

__all__ = ["Attempt", "backoff_s"]

_LONGEST_S = 24 * 3600.0
"""What doubling ends at."""


class Attempt:
    """The attempt that a shard belongs to, and what its job's policy says of its failures."""

    def __init__(
        self, number: int, retry_on: frozenset[str] = frozenset(), *, last: int = 0, is_open: bool = False
    ) -> None:
        """Keep what the policy says.

        Args:
            number: Of the attempt, from 1.
            retry_on: Error types that are tried again.
            last: The attempt whose failures are final for a row whose answers were never sent back.
            is_open: Whether another attempt may follow; else every failure is the last word.
        """
        self.number = number
        self.is_open = is_open
        self._retry_on = retry_on
        self._last = last

    @classmethod
    def of(cls, meta: JobMeta, shard: ShardWork) -> Self:
        """The attempt that a shard's results belong to."""
        # A shard of an earlier attempt is only read again because outcomes of it were lost.
        is_open = not shard.cancel and shard.attempt == meta.attempt
        return cls(shard.attempt, meta.retry_on, last=meta.last_attempt, is_open=is_open)

    def retries(self, error_type: ErrorType | None, reasks: int = 0) -> bool:
        """Whether a request that failed so is tried again; attempts that sent an answer back do not count."""
        return (
            self.is_open
            and error_type is not None
            and error_type in self._retry_on
            and self.number - reasks < self._last
        )


def backoff_s(meta: JobMeta, attempt: int) -> float:
    """Seconds before an attempt: the policy's backoff, doubled for each one after the second of a round.

    None where the provider did not fail in the one before, and answers alone are sent back.
    """
    if meta.reask and meta.failed_attempt != attempt - 1:
        return 0.0
    second = meta.last_attempt - meta.max_attempts + 2
    longest_s = max(_LONGEST_S, meta.backoff_s)
    return jittered_s(min(longest_s, meta.backoff_s * 2.0 ** min(max(0, attempt - second), 32)))
