"""Pools on every server: a rider is in one carrier, and a carrier holds what fits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from batchline_shared.ledger import (
    Carriage,
    Manifest,
    Pools,
    Ride,
    Segment,
    ShardState,
    ShardWork,
    Stage,
    WorkQueue,
    keys,
    pool_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

CARRIAGE = Carriage("gpt-4o-mini", "/v1/chat/completions", "normal")
POOL = pool_of("openai", CARRIAGE, b"")


@pytest.fixture
def pools(redis: Any) -> Pools:
    return Pools(redis)


def riders(queue: WorkQueue, count: int, rows: int = 1) -> list[ShardWork]:
    """Shards of as many jobs, leased."""
    for n in range(count):
        queue.open_job(f"job_{n}", delay_s=0)
        (job,) = queue.lease_jobs(Stage.PLAN, 1)
        manifest = Manifest(Segment(0, rows, 0, 1), rows, 10 * rows)
        ride = Ride(POOL, 100 * rows)
        made = queue.plan_shard(
            job, cursor=("0,0", "1,0"), route="openai", manifest=manifest, attempt=1, ride=ride
        )
        assert made == 0
        assert queue.plan_done(job)
    leased = queue.lease_shards(Stage.SUBMIT, count)
    assert len(leased) == count
    return sorted(leased, key=lambda shard: shard.id)


def join(pools: Pools, rider: ShardWork, most: tuple[int, int, int] = (100, 10_000, 100_000)) -> str:
    return pools.join(rider, CARRIAGE, linger_s=60, most=most)


def carrier_named(queue: WorkQueue, name: str) -> ShardWork:
    found = queue.shard(name)
    assert found is not None
    assert found.carriage is not None
    return found


def carrier_leased(queue: WorkQueue, name: str) -> ShardWork:
    """A carrier whose time is up, leased."""
    queue.wake_shard(POOL, name)
    (carrier,) = queue.lease_shards(Stage.SUBMIT, 9)
    assert carrier.id == name
    return carrier


def board(queue: WorkQueue, pools: Pools, some: Iterable[ShardWork]) -> None:
    for rider in some:
        name = join(pools, rider)
        queue.release(rider, ShardState.POOLED, (Stage.SUBMIT, Stage.SUBMIT), 600, carrier=name)


def test_joining_twice_is_joining_once(queue: WorkQueue, pools: Pools) -> None:
    (rider,) = riders(queue, 1, rows=3)
    name = join(pools, rider)

    assert join(pools, rider) == name == pools.carrier_of(rider)
    carrier = carrier_named(queue, name)
    assert (carrier.requests, carrier.inputs, carrier.tokens) == (3, 3, 30)
    assert [berth.rider for berth in pools.berths(carrier)] == [rider.id]


@pytest.mark.parametrize("most", [(2, 10_000, 100_000), (100, 20, 100_000), (100, 10_000, 200)])
def test_a_carrier_holds_no_more_than_it_may(
    queue: WorkQueue, pools: Pools, most: tuple[int, int, int]
) -> None:
    names = [join(pools, rider, most) for rider in riders(queue, 5)]

    assert [names.count(name) for name in dict.fromkeys(names)] == [2, 2, 1]
    assert carrier_named(queue, names[0]).state == ShardState.PENDING
    assert carrier_named(queue, names[-1]).state == ShardState.GATHERING


def test_many_join_at_once_and_each_is_in_one_carrier(queue: WorkQueue, pools: Pools) -> None:
    some = riders(queue, 60)
    with ThreadPoolExecutor(8) as threads:
        names = list(threads.map(lambda rider: join(pools, rider, (7, 10_000, 100_000)), some * 2))

    assert names[:60] == names[60:]
    aboard = [b.rider for name in set(names) for b in pools.berths(carrier_named(queue, name))]
    assert sorted(aboard) == [rider.id for rider in some]
    assert all(carrier_named(queue, name).requests <= 7 for name in names)


def test_who_leaves_while_it_gathers_was_never_there(queue: WorkQueue, pools: Pools) -> None:
    first, second = riders(queue, 2, rows=2)
    name = join(pools, first)
    join(pools, second)
    for _ in range(2):
        pools.leave(POOL, first.id)
    carrier = carrier_named(queue, name)

    assert [berth.rider for berth in pools.berths(carrier)] == [second.id]
    assert (carrier.requests, carrier.tokens, carrier.cancel) == (2, 20, False)
    assert pools.carrier_of(first) == ""


def test_the_last_to_leave_cancels_the_carrier(queue: WorkQueue, pools: Pools) -> None:
    some = riders(queue, 2)
    (name,) = {join(pools, rider) for rider in some}
    for rider in some:
        assert not carrier_named(queue, name).cancel
        pools.leave(POOL, rider.id)

    assert carrier_named(queue, name).cancel
    assert [shard.id for shard in queue.lease_shards(Stage.SUBMIT, 9)] == [name]
    assert join(pools, some[0]) != name


def test_on_board_is_only_who_is_a_passenger_and_has_written_it(queue: WorkQueue, pools: Pools) -> None:
    written, silent, gone, cancelled = riders(queue, 4)
    board(queue, pools, (written, gone, cancelled))
    name = join(pools, silent)
    pools.leave(POOL, gone.id)
    queue.cancel(cancelled.job_id)
    everyone = [one.id for one in (written, silent, gone, cancelled)]

    assert pools.aboard(carrier_named(queue, name), everyone) == {written.id}


def test_a_carriers_worker_puts_riders_out_only_while_the_lease_is_its_own(
    queue: WorkQueue, pools: Pools
) -> None:
    first, second, third = riders(queue, 3)
    board(queue, pools, (first, second, third))
    everyone = [first.id, second.id, third.id]
    name = pools.carrier_of(first)
    pools.leave(POOL, third.id)
    queue.release(carrier_leased(queue, name), ShardState.PENDING, (Stage.SUBMIT, Stage.SUBMIT), 0)
    old = carrier_leased(queue, name)
    assert [pools.put_out(old, first.id) for _ in range(2)] == [True, True]
    queue.release(old, ShardState.PENDING, (Stage.SUBMIT, Stage.SUBMIT), 0)
    new = carrier_leased(queue, name)

    assert not pools.put_out(old, second.id)
    assert pools.passengers(new, everyone) == {second.id}
    assert pools.put_out(new, second.id)
    assert pools.passengers(new, everyone) == set()
    assert carrier_named(queue, name).cancel


def test_a_rider_that_is_woken_while_it_writes_looks_again_at_once(queue: WorkQueue, pools: Pools) -> None:
    (rider,) = riders(queue, 1)
    name = join(pools, rider)
    assert not queue.wake_shard(rider.job_id, rider.id)
    queue.release(rider, ShardState.POOLED, (Stage.SUBMIT, Stage.SUBMIT), 600, carrier=name)
    (again,) = queue.lease_shards(Stage.SUBMIT, 9)
    queue.release(again, ShardState.POOLED, (Stage.SUBMIT, Stage.SUBMIT), 600)

    assert again.id == rider.id
    assert queue.lease_shards(Stage.SUBMIT, 9) == []


def test_a_rider_is_ended_once_and_only_by_its_own_carrier(queue: WorkQueue, pools: Pools) -> None:
    first, other = riders(queue, 2)
    board(queue, pools, [first])
    carrier = carrier_named(queue, pools.carrier_of(first))
    assert not pools.close_rider(other.id, carrier)

    assert [pools.close_rider(first.id, carrier, batch_id="b") for _ in range(2)] == [True, False]
    assert [job.id for job in queue.lease_jobs(Stage.SETTLE, 9)] == [first.job_id]
    assert queue.release(first, ShardState.POOLED, (Stage.SUBMIT, Stage.SUBMIT), 1) is None


def test_a_rider_that_is_sent_back_may_join_another_pool(queue: WorkQueue, pools: Pools) -> None:
    (rider,) = riders(queue, 1)
    board(queue, pools, [rider])
    carrier = carrier_named(queue, pools.carrier_of(rider))
    other = pool_of("openai", CARRIAGE, b"other")

    assert [pools.send_back(rider.id, carrier, other) for _ in range(2)] == [True, False]
    (again,) = (shard for shard in queue.lease_shards(Stage.SUBMIT, 9) if shard.carriage is None)
    assert again.ride == Ride(other, 100)
    assert join(pools, again).startswith(other.replace("_", "-"))


def test_the_number_of_a_carrier_never_comes_twice(redis: Any, queue: WorkQueue, pools: Pools) -> None:
    names = set()
    for rider in riders(queue, 5):
        names.add(join(pools, rider, (1, 10_000, 100_000)))
        redis.delete(keys.pool(keys.partition_of(POOL), POOL))

    assert len(names) == 5


def test_a_rider_of_no_tokens_leaves_like_any_other(queue: WorkQueue, pools: Pools) -> None:
    (rider,) = riders(queue, 1)
    name = join(pools, replace(rider, tokens=0))
    pools.leave(POOL, rider.id)

    assert carrier_named(queue, name).cancel
