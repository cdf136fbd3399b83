"""Leases that run out are counted, what nobody can handle is set aside, and garbage stops nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchline_shared.ledger import (
    GIVE_UP,
    Resolved,
    SetAside,
    ShardState,
    ShardWork,
    Stage,
    WorkQueue,
    batch_decision,
    decided_batch,
    is_given_up,
    job_of,
    keys,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

SUBMIT = (Stage.SUBMIT, Stage.SUBMIT)


def put(redis: Any, queue: WorkQueue, *names: str) -> None:
    """Shards that are due for submission."""
    for name in names:
        partition = keys.partition_of(job_of(name))
        fields = {"job": job_of(name), "state": "pending", "segment": "[0,1,0,1,[]]", "token": 0}
        redis.hset(keys.work(partition, name), mapping={**fields, "lease_until": 0})
        redis.zadd(keys.due(partition, Stage.SUBMIT), {name: queue.now_ms()})


def expire(redis: Any, names: Iterable[str]) -> None:
    """Let their leases run out."""
    for name in names:
        redis.zadd(keys.due(keys.partition_of(job_of(name)), Stage.SUBMIT), {name: 1})


def lease(queue: WorkQueue, limit: int = 50) -> list[ShardWork]:
    return queue.lease_shards(Stage.SUBMIT, limit)


def test_leases_that_run_out_are_counted_until_one_is_given_back(redis: Any, queue: WorkQueue) -> None:
    put(redis, queue, "1-0")
    counts = []
    for _ in range(3):
        counts += [shard.crashes for shard in lease(queue)]
        expire(redis, ["1-0"])
    (shard,) = lease(queue)
    assert queue.release(shard, ShardState.PENDING, SUBMIT, 0.0) is not None

    assert [*counts, shard.crashes] == [0, 1, 2, 3]
    assert [again.crashes for again in lease(queue)] == [0]


def test_a_suspect_that_is_put_off_keeps_its_count(redis: Any, queue: WorkQueue) -> None:
    put(redis, queue, "1-0")
    for _ in range(2):
        lease(queue)
        expire(redis, ["1-0"])
    (shard,) = lease(queue)
    assert shard.is_suspect
    queue.put_off(shard, Stage.SUBMIT, 0.0)

    assert [again.crashes for again in lease(queue)] == [2]
    assert not queue.renew(shard, Stage.SUBMIT)


def test_what_has_a_crash_is_leased_alone(redis: Any, queue: WorkQueue) -> None:
    names = [f"{n}-0" for n in range(12)]
    put(redis, queue, *names[:2])
    assert len(lease(queue)) == 2
    expire(redis, names[:2])
    put(redis, queue, *names[2:])

    taken = [[shard.id for shard in lease(queue)] for _ in range(12)]

    alone = [each for each in taken if set(each) & set(names[:2])]
    assert sorted(alone) == [[names[0]], [names[1]]]
    assert sorted(name for each in taken for name in each) == sorted(names)


def test_one_suspect_is_handled_at_a_time(redis: Any, queue: WorkQueue) -> None:
    put(redis, queue, "1-0", "2-0")
    for _ in range(2):
        while lease(queue):
            pass
        expire(redis, ["1-0", "2-0"])
    (first,), (second,) = lease(queue), lease(queue)

    assert queue.enter_alone(first, Stage.SUBMIT)
    assert queue.enter_alone(first, Stage.SUBMIT)
    assert not queue.enter_alone(second, Stage.SUBMIT)
    assert queue.renew(first, Stage.SUBMIT)
    queue.leave_alone(second, Stage.SUBMIT)
    assert not queue.enter_alone(second, Stage.SUBMIT)
    queue.leave_alone(first, Stage.SUBMIT)
    assert queue.enter_alone(second, Stage.SUBMIT)
    assert 0 < redis.ttl(keys.SUSPECT) <= queue.lease_s


def test_what_is_set_aside_is_due_nowhere_until_it_is_taken_up(redis: Any, queue: WorkQueue) -> None:
    put(redis, queue, "1-0")
    (shard,) = lease(queue)
    aside = SetAside(redis)

    assert queue.set_aside(shard, Stage.SUBMIT, "it kills")
    assert not queue.set_aside(shard, Stage.SUBMIT, "it kills")
    assert lease(queue) == []
    (record,) = aside.records(10)
    assert (record.stage, record.member, record.reason) == ("submit", "1-0", "it kills")
    assert aside.stages_of("job_1", "1-0") == [Stage.SUBMIT]

    assert aside.take_up("job_1", Stage.SUBMIT, "1-0", decision=GIVE_UP)
    assert not aside.take_up("job_1", Stage.SUBMIT, "1-0")
    (again,) = lease(queue)
    assert (again.decision, again.crashes, again.quarantine) == (GIVE_UP, 0, "")
    assert aside.records(10) == []


def test_giving_up_keeps_a_batch_that_was_found_in_mind(redis: Any, queue: WorkQueue) -> None:
    put(redis, queue, "1-0")
    assert queue.resolve("1-0", batch_decision("b-1"), states=(ShardState.PENDING,)) is Resolved.NOTED
    (shard,) = lease(queue)
    aside = SetAside(redis)
    decisions = []
    for decision in (GIVE_UP, GIVE_UP, ""):
        assert queue.set_aside(shard, Stage.SUBMIT, "it kills")
        assert aside.take_up("job_1", Stage.SUBMIT, "1-0", decision=decision)
        (shard,) = lease(queue)
        decisions.append((is_given_up(shard.decision), decided_batch(shard.decision)))

    assert decisions == [(True, "b-1"), (True, "b-1"), (False, "b-1")]


def test_garbage_in_a_due_set_is_set_aside_or_dropped_and_stops_nothing(redis: Any, queue: WorkQueue) -> None:
    put(redis, queue, "1-0")
    partition = keys.partition_of("job_1")
    work = keys.work_prefix(partition).encode()
    redis.set(work + b"string", "?")
    redis.hset(work + b"\xff\xfe", mapping={"state": "pending", "token": "none", "lease_until": "soon"})
    redis.hset(work + b"../../x", mapping={"state": "pending", "crashes": "many", "suspect": 1})
    names = [b"string", b"\xff\xfe", b"../../x", b"nobody"]
    redis.zadd(keys.due(partition, Stage.SUBMIT), dict.fromkeys(names, 1))

    assert [shard.id for _ in range(5) for shard in lease(queue, 1)] == ["1-0"]
    found = {record.member for record in SetAside(redis).records(10)}
    assert found == {"string", "\\xff\\xfe", "../../x"}
    assert redis.zcard(keys.due(partition, Stage.SUBMIT)) == 1


def test_what_is_gone_is_forgotten_and_the_rest_kept(redis: Any, queue: WorkQueue) -> None:
    put(redis, queue, "1-0", "2-0", "3-0")
    for shard in lease(queue):
        assert queue.set_aside(shard, Stage.SUBMIT, "it kills")
    redis.delete(keys.work(keys.partition_of("job_1"), "1-0"))
    redis.hset(keys.work(keys.partition_of("job_2"), "2-0"), "state", "done")
    aside = SetAside(redis)

    assert aside.drop_gone() == 2
    assert [record.member for record in aside.records(10)] == ["3-0"]
