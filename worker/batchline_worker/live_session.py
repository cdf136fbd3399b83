"""Asking rows of one shard through the live API, several at a time, each once."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TYPE_CHECKING, Final

import orjson
import structlog

from batchline_shared.accounts import parse_model
from batchline_shared.errors import (
    ProviderAuthError,
    ProviderBusyError,
    ProviderError,
    ProviderRejectedError,
)
from batchline_shared.outcomes import ErrorType
from batchline_worker.building import dialect_of, lines_of
from batchline_worker.providers.base import LiveCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from batchline_shared.ledger import JobMeta, ShardWork
    from batchline_worker.context import WorkerContext
    from batchline_worker.landing import Lander
    from batchline_worker.leases import Hold
    from batchline_worker.providers.base import Provider

__all__ = ["LOST", "LiveSession"]

_log = structlog.get_logger("batchline.live")

_RETRY_HINT: Final = "it may have been run and paid for; retry_failed(error_types=['unknown']) asks again"

LOST: Final = f"a worker was lost during this request's live call; {_RETRY_HINT}"

_SERVER_ERROR: Final = 500

_SHORT_S: Final = 5.0
"""Longest wait for the account's turn in which the shard is kept, in seconds."""


class LiveSession:
    """One worker's turn at a shard. For one thread; the calls are made in others."""

    def __init__(
        self, context: WorkerContext, meta: JobMeta, shard: ShardWork, hold: Hold, lander: Lander
    ) -> None:
        """Prepare to ask; `lander` takes the answers."""
        self._context = context
        self._meta = meta
        self._shard = shard
        self._hold = hold
        self._lander = lander
        self._speech = dialect_of(context.settings, meta)
        self._parallel = context.settings.live_parallel
        self._running: dict[Future[bytes], int] = {}
        self._next: list[tuple[int, bytes]] = []
        """Rows that are read, and wait for the account's turn."""
        self.wait_s = 0.0
        """Seconds until that turn."""
        self.refusal: ProviderError | None = None
        """Why the account takes no more calls for now; nothing was run for it."""

    @property
    def landed(self) -> int:
        """Rows that got their outcome through the lander."""
        return self._lander.landed

    def run(self, rows: Sequence[int], goes_on: Callable[[], bool]) -> None:
        """Ask rows until all are, the lease is lost, the account takes no more, or `goes_on` says no.

        Every call that was begun has ended when this returns, and its answer has landed.
        """
        try:
            provider = self._context.provider(self._shard.route)
        except ProviderError as error:
            self.refusal = error
            return
        lines = lines_of(self._context.jobs, self._context.settings, self._meta, self._shard, rows)
        with ThreadPoolExecutor(self._parallel, thread_name_prefix="live") as pool:
            try:
                while True:
                    self.wait_s = 0.0
                    for row, line in self._take(lines) if goes_on() else ():
                        self._running[pool.submit(self._ask, provider, line)] = row
                    if not self._running:
                        return
                    # Where the account has no turn for the next rows, look again when it has.
                    self._land_ended(self.wait_s or None)
            finally:
                # Whatever went wrong: what these have cost is not to be lost with it.
                while self._running:
                    self._land_ended(None)

    def _ask(self, provider: Provider, line: bytes) -> bytes:
        call = LiveCall(
            endpoint=self._meta.endpoint,
            model=parse_model(self._meta.model).name,
            line=line,
            timeout_s=self._context.settings.live_timeout_s,
        )
        return provider.ask(call)

    def _take(self, lines: Iterator[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        """Take rows that may be asked now, and mark them on disk as asked; none where the turn is over."""
        while not (self._hold.lost or self.refusal or self._context.stopping.is_set()):
            self._next += islice(lines, self._parallel - len(self._running) - len(self._next))
            granted = self._granted()
            if not granted:
                return []
            wanted, self._next = self._next[:granted], self._next[granted:]
            marked = self._marked([row for row, _ in wanted])
            if marked:
                return [(row, line) for row, line in wanted if row in marked]
        return []

    def _granted(self) -> int:
        """How many of the next rows may be asked now; waits a little where nothing is under way."""
        calls, route, settings = self._context.live_calls, self._shard.route, self._context.settings
        while self._next and len(self._running) < self._parallel:
            per_minute = settings.live_requests_per_minute
            granted, wait_s = calls.take(route, len(self._next), per_minute=per_minute)
            if granted:
                return granted
            if self._running or wait_s > _SHORT_S:
                self.wait_s = wait_s
                return 0
            if self._context.stopping.wait(wait_s):
                return 0
        return 0

    def _marked(self, rows: list[int]) -> set[int]:
        """Mark rows; returns those that are ours to ask."""
        if not self._context.leases.renew(self._hold):
            return set()
        marked = self._context.live_calls.mark(self._meta.id, rows)
        if self._hold.remaining_s > 0:
            return set(marked)
        # We were frozen. The marks are our own, and nothing was asked under them.
        self._context.live_calls.unmark(self._meta.id, marked)
        self._hold.lost = True
        return set()

    def _land_ended(self, timeout_s: float | None) -> None:
        """Wait for a call to end, or for the account's turn, and land what has ended."""
        ended, _ = wait(self._running, timeout_s, FIRST_COMPLETED)
        for future in ended:
            self._note(self._running.pop(future), future)
        self._lander.flush()

    def _note(self, row: int, future: Future[bytes]) -> None:
        try:
            line = future.result()
        except (ProviderBusyError, ProviderAuthError) as error:
            self._context.live_calls.unmark(self._meta.id, [row])
            self.refusal = error
        except ProviderError as error:
            self._lander.unanswered(row, *_failed(error))
        except Exception:  # noqa: BLE001 - whatever it was, nobody knows whether the call was answered
            _log.exception("live_call_broke", shard=self._shard.id)
            self._lander.unanswered(row, ErrorType.UNKNOWN, f"the live call broke off; {_RETRY_HINT}")
        else:
            parsed = orjson.loads(line)
            verdict = self._speech.classify(parsed, structured=self._meta.structured)
            self._lander.answered(row, verdict, self._speech.kept(parsed, line))


def _failed(error: ProviderError) -> tuple[ErrorType, str]:
    """What to say of a row whose call failed, and is not made again."""
    if isinstance(error, ProviderRejectedError):
        return ErrorType.INVALID_REQUEST, str(error)
    if (error.status_code or 0) >= _SERVER_ERROR:
        return ErrorType.PROVIDER_ERROR, str(error)
    return ErrorType.UNKNOWN, f"the live call's answer was lost: {error}; {_RETRY_HINT}"
