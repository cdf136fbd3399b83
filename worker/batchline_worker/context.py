"""What every stage of a worker process works with."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from batchline_shared.ledger import (
    Admission,
    Audits,
    BatchIndex,
    Deliveries,
    Gates,
    JobStore,
    LiveCalls,
    Naming,
    Pools,
    SetAside,
    Stage,
    Timers,
    WorkQueue,
    ledger_id,
    open_ledger,
    redis_errors,
    server_name,
)
from batchline_worker.hooks import make_senders
from batchline_worker.leases import LeaseKeeper
from batchline_worker.providers.registry import make_provider

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from redis import Redis

    from batchline_shared.ledger import DeliveryKind
    from batchline_shared.settings import Settings
    from batchline_worker.hooks import Sender
    from batchline_worker.providers.base import Provider

__all__ = ["WorkerContext"]


class WorkerContext:
    """One process's ledger, providers and leases. Safe to share between its threads."""

    def __init__(
        self,
        settings: Settings,
        *,
        send: Callable[[Stage], None],
        redis: Redis | None = None,
        providers: Mapping[str, Provider] | None = None,
        senders: Mapping[DeliveryKind, Sender] | None = None,
    ) -> None:
        """Open the ledger.

        Args:
            settings: Of this process.
            send: Sends one nudge for a stage; must not raise.
            redis: The ledger's client; None: made from the settings.
            providers: Transports by `provider` or `provider@account`; others are made on first use.
            senders: Who tells that jobs have ended; None: as the settings say.

        Raises:
            QueueUnavailableError, LedgerError, ConfigurationError: See `open_ledger`.
        """
        self.settings = settings
        self.redis = redis if redis is not None else open_ledger(settings.redis_url)
        with redis_errors(server_name(self.redis)):
            self.ledger_id = ledger_id(self.redis)
        """What batches bear at their providers; see `ticking` for one that changes."""
        self.jobs = JobStore(self.redis, durable=settings.durable_writes)
        self.work = WorkQueue(self.redis, lease_s=settings.lease_s, durable=settings.durable_writes)
        self.gates = Gates(self.redis)
        self.admission = Admission(self.redis)
        self.routes: set[str] = set()
        """Provider accounts in which this process has asked for room."""
        self.pools = Pools(self.redis)
        self.timers = Timers(self.redis, lease_s=settings.lease_s, durable=settings.durable_writes)
        self.live_calls = LiveCalls(self.redis, durable=settings.durable_writes)
        self.deliveries = Deliveries(self.redis)
        self.batch_index = BatchIndex(self.redis)
        self.aside = SetAside(self.redis)
        self.audits = Audits(self.redis, lease_s=settings.lease_s, durable=settings.durable_writes)
        self.audited: set[str] = set()
        """Provider accounts of which this process has said that they are to be audited."""
        self.senders = make_senders(settings) if senders is None else senders
        self.naming = Naming(self.redis)
        self.leases = LeaseKeeper(self.work)
        self.stopping = threading.Event()
        """Set when the process is asked to stop: finish the row at hand and take no other."""
        self._send = send
        self._providers = dict(providers or {})
        self._lock = threading.Lock()

    def provider(self, route: str) -> Provider:
        """The transport for `provider` or `provider@account`; its SDK is imported by its first call.

        Raises:
            ProviderAuthError: This worker has no such provider or account.
        """
        with self._lock:
            if route not in self._providers:
                self._providers[route] = make_provider(route, self.settings)
            return self._providers[route]

    def nudge(self, stage: Stage) -> None:
        """Tell some worker that a stage has work. May get lost; the next tick repeats it."""
        self._send(stage)
