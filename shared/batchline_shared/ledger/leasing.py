"""Leases: who may work on what, for how long, and whose writes count.

Any number of processes lease due work; each lease carries a token, and every
write by its holder is refused once the lease is given back or a newer one
exists. So a worker that was frozen, or a message that came twice, cannot write
over its successor.
"""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, Any, TypeVar

from batchline_shared.errors import LedgerError
from batchline_shared.ledger import keys
from batchline_shared.ledger.deadlines import JobTimer
from batchline_shared.ledger.delivery_records import DeliveryWork
from batchline_shared.ledger.durability import Durability
from batchline_shared.ledger.scripts import Scripts
from batchline_shared.ledger.work_records import JobWork, ShardWork, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from redis import Redis

__all__ = ["Advanced", "Leasing", "advanced", "flat"]

_Work = TypeVar("_Work", JobWork, ShardWork, JobTimer, DeliveryWork)

_log = logging.getLogger("batchline.ledger")


class Advanced:
    """What a successful write by a lease holder returns."""

    __slots__ = ("cancel", "now_ms")

    def __init__(self, now_ms: int, *, cancel: bool) -> None:
        self.now_ms = now_ms
        self.cancel = cancel


def flat(fields: Mapping[str, Any]) -> list[str | int | bytes]:
    """Fields as a script takes them."""
    return [part for item in fields.items() for part in item]


class Leasing:
    """Takes due work, and writes for whoever holds a lease."""

    def __init__(self, client: Redis, *, lease_s: float, durable: bool = True) -> None:
        """Args: lease_s: Seconds for which a lease holds unless renewed."""
        # redis-py types every reply as str or bytes, whatever the client decodes; ours are bytes.
        self._client: Any = client
        self._scripts = Scripts(client)
        self._durability = Durability(client, enabled=durable)
        self.lease_s = lease_s
        self._lease_ms = int(lease_s * 1000)

    def lease_jobs(self, stage: Stage, limit: int) -> list[JobWork]:
        """Lease up to `limit` jobs that are due in `stage`; see `lease_shards` for malformed records."""
        return self._leased(stage, limit, JobWork.read)

    def lease_shards(self, stage: Stage, limit: int) -> list[ShardWork]:
        """Lease up to `limit` shards that are due in `stage`.

        A malformed record is set aside, so that it cannot stop the others; it stays for a person to see.
        """
        return self._leased(stage, limit, ShardWork.read)

    def lease_deliveries(self, limit: int) -> list[DeliveryWork]:
        """Lease up to `limit` deliveries that are due; see `lease_shards` for malformed records."""
        return self._leased(Stage.NOTIFY, limit, DeliveryWork.read)

    def _leased(
        self, stage: Stage, limit: int, read: Callable[[str, dict[bytes, bytes]], _Work]
    ) -> list[_Work]:
        leased = []
        for partition, member, record in self._lease(stage, limit):
            try:
                leased.append(read(member, record))
            except LedgerError as error:
                _log.error("set aside, and not looked at any more: %s", error)
                self._client.zrem(keys.due(partition, stage), member)
        return leased

    def _lease(self, stage: Stage, limit: int) -> list[tuple[int, str, dict[bytes, bytes]]]:
        taken: list[tuple[int, str, dict[bytes, bytes]]] = []
        # A random first partition, so that competing workers do not queue at the same one.
        start = random.randrange(keys.PARTITIONS)  # noqa: S311 - spreading load, no secret
        for offset in range(keys.PARTITIONS):
            partition = (start + offset) % keys.PARTITIONS
            _, rows = self._scripts.lease(
                keys=[keys.due(partition, stage)],
                args=[keys.work_prefix(partition), limit - len(taken), self._lease_ms],
            )
            for member, fields in zip(rows[::2], rows[1::2], strict=True):
                record = dict(zip(fields[::2], fields[1::2], strict=True))
                taken.append((partition, member.decode(), record))
            if len(taken) >= limit:
                break
        return taken

    def renew(self, member: ShardWork | JobWork | DeliveryWork, stage: Stage) -> bool:
        """Lengthen a lease by its full time; False when it is lost."""
        partition = self._partition(member)
        return bool(
            self._scripts.renew(
                keys=[keys.work(partition, member.id), keys.due(partition, stage)],
                args=[member.id, member.token, self._lease_ms],
            )
        )

    def now_ms(self) -> int:
        """The ledger's clock."""
        seconds, microseconds = self._client.time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    def due_counts(self) -> dict[Stage, int]:
        """How many jobs or shards are due now, by stage."""
        now_ms = self.now_ms()
        with self._client.pipeline(transaction=False) as pipe:
            for stage in Stage:
                for partition in range(keys.PARTITIONS):
                    pipe.zcount(keys.due(partition, stage), "-inf", now_ms)
            counts = pipe.execute()
        each = keys.PARTITIONS
        return {stage: sum(counts[i * each : (i + 1) * each]) for i, stage in enumerate(Stage)}

    @staticmethod
    def _partition(member: ShardWork | JobWork | DeliveryWork) -> int:
        return keys.partition_of(member.id if isinstance(member, JobWork) else member.job_id)

    def _call(
        self,
        member: ShardWork | JobWork,
        kind: str,
        state: str,
        stage: Stage,
        next_stage: Stage,
        delay_s: float | None,
        fields: Mapping[str, Any],
        *,
        keep: bool = False,
    ) -> dict[str, Any]:
        partition = self._partition(member)
        delay = "" if delay_s is None else int(delay_s * 1000)
        return {
            "keys": [
                keys.work(partition, member.id),
                keys.tally(partition),
                keys.due(partition, stage),
                keys.due(partition, next_stage),
            ],
            "args": [
                member.id,
                member.token,
                kind,
                state,
                delay,
                int(keep),
                int(member.cancel),
                *flat(fields),
            ],
        }

    def _advance(
        self,
        member: ShardWork | JobWork,
        kind: str,
        state: str,
        stage: Stage,
        next_stage: Stage,
        delay_s: float | None,
        fields: Mapping[str, Any],
        *,
        keep: bool = False,
    ) -> Advanced | None:
        call = self._call(member, kind, state, stage, next_stage, delay_s, fields, keep=keep)
        return advanced(self._scripts.advance(**call))


def advanced(reply: list[int]) -> Advanced | None:
    """What `advance.lua` says; None when the lease is lost."""
    return Advanced(reply[1], cancel=bool(reply[2])) if reply[0] else None
