"""Work that nobody can handle is set aside: out of its due set, kept as it is, and shown to a person.

Either its record cannot be read, or handling it ended too many workers. So it stops nothing else, and
nothing of it is lost.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from batchline_shared.ledger import keys
from batchline_shared.ledger.scripts import Scripts
from batchline_shared.ledger.work_records import ShardState, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis import Redis

__all__ = ["AsideRecord", "SetAside"]

_REASON_LENGTH: Final = 500

_PAGE: Final = 100


class AsideRecord(NamedTuple):
    """Something that was set aside."""

    stage: str
    """The stage in which it was to be handled."""
    member: str
    """A job, shard, timer or delivery."""
    at: datetime
    reason: str


class SetAside:
    """`keys.aside`, and its way in and out of the due sets."""

    def __init__(self, client: Redis) -> None:
        # redis-py types every reply as str or bytes, whatever the client decodes; ours are bytes.
        self._client: Any = client
        self._scripts = Scripts(client)

    def put(self, partition: int, stage: Stage, member: str | bytes, reason: str, *, token: str = "") -> bool:
        """Set a member aside; False when the lease is lost.

        Args:
            partition: Where its work lies.
            stage: The stage in which it is due.
            member: As its due set has it.
            reason: For a person; no prompt, answer or key may be in it.
            token: Of the lease; empty: its record cannot be read.
        """
        name = member if isinstance(member, bytes) else member.encode()
        return bool(
            self._scripts.set_aside(
                keys=self._keys(partition, stage, name),
                args=[name, _field(stage, name), reason[:_REASON_LENGTH], token],
            )
        )

    def take_up(self, owner: str, stage: Stage, member: str, *, decision: str = "") -> bool:
        """Have a member worked on again, under a decision (`decisions`); False: it is not, or has gone on.

        Args:
            owner: The job or pool whose work it is.
            stage: The stage that it was set aside in.
            member: The job itself, a shard, its timer or a delivery.
            decision: What is to become of it; empty: it goes on where it stood.
        """
        name = member.encode()
        where = self._keys(keys.partition_of(owner), stage, name)
        return bool(self._scripts.take_up(keys=where, args=[name, _field(stage, name), decision]))

    def stages_of(self, owner: str, member: str) -> list[Stage]:
        """The stages in which a member is set aside; mostly none."""
        fields = [_field(stage, member.encode()) for stage in Stage]
        found = self._client.hmget(keys.aside(keys.partition_of(owner)), fields)
        return [stage for stage, value in zip(Stage, found, strict=True) if value is not None]

    def records(self, limit: int) -> list[AsideRecord]:
        """Some of what is set aside, the oldest first."""
        found = [_record(field, value) for _, field, value in self._some(limit)]
        return sorted(found, key=lambda one: one.at)

    def drop_gone(self) -> int:
        """Forget what has ended or gone since, by other ways; returns how much that was."""
        dropped = 0
        for partition, field, _ in self._some(_PAGE):
            stage, _, member = field.partition(b" ")
            work = keys.work(partition, "").encode() + member
            kind = self._client.type(work)
            state = self._client.hget(work, "state") if kind == b"hash" else None
            if kind == b"none" or (state == ShardState.DONE.encode() and stage != Stage.CLEAN.encode()):
                dropped += self._client.hdel(keys.aside(partition), field)
        return dropped

    def _some(self, limit: int) -> Iterable[tuple[int, bytes, bytes]]:
        left = limit
        for partition in range(keys.PARTITIONS):
            for field, value in self._client.hscan_iter(keys.aside(partition), count=_PAGE):
                if not left:
                    return
                left -= 1
                yield partition, field, value

    @staticmethod
    def _keys(partition: int, stage: Stage, name: bytes) -> list[str | bytes]:
        work = keys.work(partition, "").encode() + name
        return [keys.due(partition, stage), keys.aside(partition), work]


def _field(stage: Stage, name: bytes) -> bytes:
    return stage.encode() + b" " + name


def _record(field: bytes, value: bytes) -> AsideRecord:
    stage, _, member = field.decode(errors="backslashreplace").partition(" ")
    at_ms, _, reason = value.decode(errors="backslashreplace").partition(" ")
    return AsideRecord(stage, member, datetime.fromtimestamp(int(at_ms) / 1000, UTC), reason)
