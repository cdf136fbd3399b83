"""Keeping leases alive while work is under way."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchline_shared.ledger import (
        AuditWork,
        DeliveryWork,
        JobTimer,
        JobWork,
        ShardWork,
        Stage,
        WorkQueue,
    )

    _Member = ShardWork | JobWork | JobTimer | DeliveryWork | AuditWork

__all__ = ["Hold", "LeaseKeeper"]

_log = structlog.get_logger("batchline.leases")


class Hold:
    """A lease as its holder sees it."""

    def __init__(self, member: _Member, stage: Stage, lease_s: float) -> None:
        self.member = member
        self.stage = stage
        self._lease_s = lease_s
        self._renewed_at = time.monotonic()
        self.lost = False
        """Somebody else works on it now; whatever we write is refused."""

    def renewed(self, *, at: float) -> None:
        """Note a renewal that was asked for at the monotonic time `at`."""
        self._renewed_at = at

    @property
    def remaining_s(self) -> float:
        """Seconds that the lease still holds for sure; 0 once it is lost.

        Counted from when it was asked for, on a clock that also runs while the
        process is frozen, so it never says more than is true.
        """
        if self.lost:
            return 0.0
        return max(0.0, self._renewed_at + self._lease_s - time.monotonic())


class LeaseKeeper:
    """Renews this process's leases from one thread, three times in each lease's length.

    The thread ends once there is none to renew, and begins anew with the next: nothing outlives its use.
    """

    def __init__(self, work: WorkQueue) -> None:
        self._work = work
        self._holds: set[Hold] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def holding(self, member: _Member, stage: Stage) -> Iterator[Hold]:
        """Keep a lease that was just taken until the context ends."""
        hold = Hold(member, stage, self._work.lease_s)
        with self._lock:
            self._holds.add(hold)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)
                self._thread.start()
        try:
            yield hold
        finally:
            with self._lock:
                self._holds.discard(hold)

    def renew(self, hold: Hold) -> bool:
        """Renew one lease now; False when it is lost."""
        asked_at = time.monotonic()
        if hold.lost or not self._work.renew(hold.member, hold.stage):
            hold.lost = True
            return False
        hold.renewed(at=asked_at)
        return True

    def _run(self) -> None:
        while True:
            time.sleep(self._work.lease_s / 3)
            with self._lock:
                if not self._holds:
                    self._thread = None
                    return
                holds = list(self._holds)
            for hold in holds:
                try:
                    if not hold.lost and not self.renew(hold) and hold in self._holds:
                        _log.warning("lease_lost", member=hold.member.id, stage=str(hold.stage))
                except Exception as error:  # noqa: BLE001 - Redis may be away for a moment; the lease may survive it
                    _log.warning("lease_not_renewed", member=hold.member.id, error=type(error).__name__)
