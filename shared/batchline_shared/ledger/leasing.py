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
from batchline_shared.ledger.clock import server_ms
from batchline_shared.ledger.delivery_records import DeliveryWork
from batchline_shared.ledger.durability import Durability
from batchline_shared.ledger.scripts import Scripts
from batchline_shared.ledger.set_aside import SetAside
from batchline_shared.ledger.work_records import JobWork, ShardWork, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from redis import Redis

    from batchline_shared.ledger.audit_records import AuditWork
    from batchline_shared.ledger.deadlines import JobTimer

    _Member = ShardWork | JobWork | JobTimer | DeliveryWork | AuditWork

__all__ = ["Advanced", "Leasing", "advanced", "flat"]

_Work = TypeVar("_Work")

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
        self._aside = SetAside(client)
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
        while taken := self._lease(stage, limit):
            leased = [work for one in taken if (work := self._readable(stage, read, *one)) is not None]
            if leased:
                return leased
        return []

    def _readable(
        self,
        stage: Stage,
        read: Callable[[str, dict[bytes, bytes]], _Work],
        partition: int,
        member: bytes,
        record: dict[bytes, bytes],
    ) -> _Work | None:
        try:
            return read(member.decode(), record)
        except (LedgerError, UnicodeDecodeError) as error:
            reason = str(error) if isinstance(error, LedgerError) else "its name is none of ours"
            _log.error("set aside, and not looked at any more: %s", reason)
            self._aside.put(partition, stage, member, reason)
            return None

    def _lease(self, stage: Stage, limit: int) -> list[tuple[int, bytes, dict[bytes, bytes]]]:
        taken: list[tuple[int, bytes, dict[bytes, bytes]]] = []
        # A random first partition, so that competing workers do not queue at the same one.
        start = random.randrange(keys.PARTITIONS)  # noqa: S311 - spreading load, no secret
        for offset in range(keys.PARTITIONS):
            partition = (start + offset) % keys.PARTITIONS
            _, rows = self._scripts.lease(
                keys=[keys.due(partition, stage)],
                args=[keys.work_prefix(partition), limit - len(taken), self._lease_ms, len(taken)],
            )
            for member, fields in zip(rows[::2], rows[1::2], strict=True):
                taken.append((partition, member, dict(zip(fields[::2], fields[1::2], strict=True))))
            # One that has crashed is handled alone.
            if len(taken) >= limit or (taken and b"crashes" in taken[-1][2]):
                break
        return taken

    def enter_alone(self, member: ShardWork | JobWork, stage: Stage) -> bool:
        """Have no other suspect handled while this one is (`keys.SUSPECT`); False: another one is."""
        me = _suspect(member, stage)
        held = self._scripts.claim(keys=[keys.SUSPECT], args=[me, me, max(1, int(self.lease_s))])
        return bool(held.decode() == me)

    def leave_alone(self, member: ShardWork | JobWork, stage: Stage) -> None:
        """Let the next suspect be handled; safe to call for any."""
        self._scripts.unclaim(keys=[keys.SUSPECT], args=[_suspect(member, stage)])

    def put_off(self, member: ShardWork | JobWork, stage: Stage, delay_s: float) -> None:
        """Give the lease of a suspect back that was not handled: its crashes still count."""
        partition = self._partition(member)
        where = [keys.work(partition, member.id), keys.due(partition, stage)]
        self._scripts.put_off(keys=where, args=[member.id, member.token, int(delay_s * 1000)])

    def set_aside(self, member: _Member, stage: Stage, reason: str) -> bool:
        """Have nobody look at what was leased until a person says so; False when the lease is lost."""
        return self._aside.put(self._partition(member), stage, member.id, reason, token=member.token)

    def renew(self, member: _Member, stage: Stage) -> bool:
        """Lengthen a lease by its full time; False when it is lost."""
        if isinstance(member, ShardWork | JobWork) and member.is_suspect:
            self.enter_alone(member, stage)
        return bool(self._scripts.renew(**self._renewal(member, stage)))

    def renew_durably(self, member: _Member, stage: Stage) -> bool:
        """The same before something that cannot be undone: all that was written until now is on disk then.

        Raises:
            QueueUnavailableError: The disk did not confirm; do not do it.
        """
        call = self._renewal(member, stage)
        return bool(self._durability.write(lambda pipe: self._scripts.renew(client=pipe, **call)))

    def _renewal(self, member: _Member, stage: Stage) -> dict[str, Any]:
        partition = self._partition(member)
        return {
            "keys": [keys.work(partition, member.id), keys.due(partition, stage)],
            "args": [member.id, member.token, self._lease_ms],
        }

    def now_ms(self) -> int:
        """The ledger's clock."""
        return server_ms(self._client)

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
    def _partition(member: _Member) -> int:
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


def _suspect(member: ShardWork | JobWork, stage: Stage) -> str:
    return f"{stage} {member.id}"


def advanced(reply: list[int]) -> Advanced | None:
    """What `advance.lua` says; None when the lease is lost."""
    return Advanced(reply[1], cancel=bool(reply[2])) if reply[0] else None
