"""Pools: small shards of many jobs share a carrier, which becomes one provider batch.

A pool's keys and its carriers lie in the partition of the pool, a rider in its own job's. So joining is
two steps: the pool's (`join`), and then the rider writes where it is. A rider counts as on board only
once both say so; `stages.pooling` tells what happens between.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from batchline_shared.ledger import keys
from batchline_shared.ledger.leasing import flat
from batchline_shared.ledger.scripts import Scripts
from batchline_shared.ledger.work_records import Segment, ShardState, Stage, job_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from redis import Redis

    from batchline_shared.ledger.ride_records import Carriage, Ride
    from batchline_shared.ledger.work_records import ShardWork

__all__ = ["Berth", "Pools", "half_of", "pool_of"]

_POOL_S: Final = 2 * 24 * 3600
"""Life of a pool's key after the last join; a carrier that still gathers does not need it."""

_FULL_MS: Final = 1000
"""Milliseconds after which a full carrier is submitted: those who have just joined must have written it."""

_PAGE: Final = 1000


class Berth(NamedTuple):
    """A rider's place in a carrier."""

    rider: str
    attempt: int
    segment: Segment

    @property
    def job_id(self) -> str:
        """The rider's job."""
        return job_of(self.rider)


def pool_of(route: str, carriage: Carriage, shared: bytes) -> str:
    """The id of the pool of all shards that agree in these; `shared`: what else a batch has only one of."""
    names = (route, carriage.model, carriage.endpoint, carriage.priority)
    return _pool_id(b"\0".join([*(name.encode() for name in names), shared]))


def half_of(carrier: str, half: int) -> str:
    """The id of the pool in which one half (0 or 1) of a refused carrier's riders try their luck."""
    return _pool_id(f"{carrier}/{half}".encode())


def _pool_id(name: bytes) -> str:
    return f"pool_{hashlib.sha256(name).hexdigest()[:16]}"


class Pools:
    """Joins riders to carriers, and parts them again (`keys.pool`, `keys.passengers`, `keys.berths`)."""

    def __init__(self, client: Redis) -> None:
        # redis-py types every reply as str or bytes, whatever the client decodes; ours are bytes.
        self._client: Any = client
        self._scripts = Scripts(client)

    def join(
        self, rider: ShardWork, carriage: Carriage, *, linger_s: float, most: tuple[int, int, int]
    ) -> str:
        """Put a rider into the carrier that its pool is filling; safe to repeat.

        Args:
            rider: A shard with a `ride`.
            carriage: What it agrees in with the others of its pool.
            linger_s: Seconds from the rider's creation for which the carrier may wait for others.
            most: Requests, tokens and bytes that the carrier may hold.

        Returns:
            The id of the carrier that it is in.
        """
        ride = _ride(rider)
        partition = keys.partition_of(ride.pool)
        entry = b"%b %d %b" % (rider.id.encode(), rider.attempt, rider.segment.encode())
        fields = {"route": rider.route, **carriage.fields()}
        reply = self._scripts.join_pool(
            keys=[
                keys.pool(partition, ride.pool),
                keys.passengers(partition, ride.pool),
                keys.tally(partition),
                keys.due(partition, Stage.SUBMIT),
            ],
            args=[
                keys.work_prefix(partition),
                keys.berths_prefix(partition),
                ride.pool,
                rider.id,
                entry,
                rider.segment.rows,
                rider.inputs,
                rider.tokens,
                ride.size_bytes,
                *most,
                int(linger_s * 1000),
                rider.created_ms,
                _POOL_S * 1000,
                _FULL_MS,
                *flat(fields),
            ],
        )
        return str(reply.decode())

    def carrier_of(self, rider: ShardWork) -> str:
        """The carrier that a rider is a passenger of; empty where it is none."""
        pool = _ride(rider).pool
        place = self._client.hget(keys.passengers(keys.partition_of(pool), pool), rider.id)
        return str(place.decode().partition(" ")[0]) if place else ""

    def passengers(self, carrier: ShardWork, riders: Sequence[str]) -> set[str]:
        """Those of some riders that are passengers of a carrier."""
        key = keys.passengers(keys.partition_of(carrier.job_id), carrier.job_id)
        ours, found = carrier.id.encode(), set[str]()
        for at in range(0, len(riders), _PAGE):
            page = riders[at : at + _PAGE]
            places = self._client.hmget(key, page)
            found.update(
                rider
                for rider, place in zip(page, places, strict=True)
                if place is not None and place.partition(b" ")[0] == ours
            )
        return found

    def aboard(self, carrier: ShardWork, riders: Sequence[str]) -> set[str]:
        """Those of some riders that are passengers of a carrier, and have written so, and go on."""
        key = keys.passengers(keys.partition_of(carrier.job_id), carrier.job_id)
        found: set[str] = set()
        for at in range(0, len(riders), _PAGE):
            page = riders[at : at + _PAGE]
            with self._client.pipeline(transaction=False) as pipe:
                pipe.hmget(key, page)
                for rider in page:
                    name = keys.work(keys.partition_of(job_of(rider)), rider)
                    pipe.hmget(name, "state", "carrier", "cancel")
                places, *records = pipe.execute()
            ours = carrier.id.encode()
            for rider, place, (state, written, cancel) in zip(page, places, records, strict=True):
                on_board = place is not None and place.partition(b" ")[0] == ours == written
                if on_board and state == ShardState.POOLED.encode() and cancel != b"1":
                    found.add(rider)
        return found

    def leave(self, pool: str, rider: str, carrier: str = "") -> None:
        """Take a rider out of its pool, or out of this carrier only; safe to repeat.

        A carrier that gathers goes without it; another one does not wait for it any more, and is cancelled
        once nobody does.
        """
        self._leave(pool, rider, carrier, "")

    def put_out(self, carrier: ShardWork, rider: str) -> bool:
        """Take a rider out of a leased carrier, as `leave` does; False where the lease is lost.

        Whoever took the lease over may have sent the rider already: it must not join another carrier then.
        """
        return self._leave(carrier.job_id, rider, carrier.id, carrier.token) >= 0

    def _leave(self, pool: str, rider: str, carrier: str, token: str) -> int:
        partition = keys.partition_of(pool)
        return int(
            self._scripts.leave_pool(
                keys=[
                    keys.passengers(partition, pool),
                    keys.due(partition, Stage.SUBMIT),
                    keys.due(partition, Stage.POLL),
                ],
                args=[keys.work_prefix(partition), keys.berths_prefix(partition), rider, carrier, token],
            )
        )

    def berths(self, carrier: ShardWork) -> Iterator[Berth]:
        """A carrier's riders, in the order of their rows on the wire."""
        key = keys.berths(keys.partition_of(carrier.job_id), carrier.id)
        numbers = sorted(self._client.hkeys(key), key=int)
        for at in range(0, len(numbers), _PAGE):
            for entry in self._client.hmget(key, numbers[at : at + _PAGE]):
                rider, attempt, segment = entry.split(b" ", 2)
                yield Berth(rider.decode(), int(attempt), Segment.decode(segment))

    def close_rider(self, rider: str, carrier: ShardWork, **fields: str | int | bytes) -> bool:
        """End a rider whose rows all have their outcome; False when it rides in this carrier no more."""
        job_id = job_of(rider)
        partition = keys.partition_of(job_id)
        return bool(
            self._scripts.close_rider(
                keys=[
                    keys.work(partition, rider),
                    keys.tally(partition),
                    keys.due(partition, Stage.SUBMIT),
                    keys.work(partition, job_id),
                    keys.due(partition, Stage.SETTLE),
                ],
                args=[rider, carrier.id, job_id, *flat(fields)],
            )
        )

    def send_back(self, rider: str, carrier: ShardWork, pool: str) -> bool:
        """Let a rider join another pool, or none, as its carrier came to nothing; False: it is in another."""
        partition = keys.partition_of(job_of(rider))
        return bool(
            self._scripts.send_back(
                keys=[
                    keys.work(partition, rider),
                    keys.tally(partition),
                    keys.due(partition, Stage.SUBMIT),
                ],
                args=[rider, carrier.id, pool],
            )
        )

    def close(
        self,
        carrier: ShardWork,
        stage: Stage,
        *,
        kept_s: float,
        clean_after_s: float | None,
        **fields: str | int | bytes,
    ) -> bool:
        """End a carrier whose riders have all ended; False when the lease is lost.

        Args:
            carrier: As it was leased.
            stage: The stage that it was leased in.
            kept_s: Seconds for which its record is kept.
            clean_after_s: Seconds until its files at the provider are deleted; None: never.
            fields: Fields to write.
        """
        partition = keys.partition_of(carrier.job_id)
        return bool(
            self._scripts.close_carrier(
                keys=[
                    keys.work(partition, carrier.id),
                    keys.tally(partition),
                    keys.due(partition, stage),
                    keys.due(partition, Stage.CLEAN),
                    keys.berths(partition, carrier.id),
                ],
                args=[
                    carrier.id,
                    carrier.token,
                    int(kept_s * 1000),
                    "" if clean_after_s is None else int(clean_after_s * 1000),
                    *flat(fields),
                ],
            )
        )


def _ride(shard: ShardWork) -> Ride:
    if shard.ride is None:
        msg = f"shard {shard.id} is no rider"
        raise ValueError(msg)
    return shard.ride
