"""What `enqueue` does when Redis fails at the worst moment: a real job is returned, any other is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fakeredis
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError

from batchline import BatchClient, BatchlineError, JobStatus, QueueFullError, QueueUnavailableError
from unit.client.sketches import MODEL, User, keys_left, says

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis


class NudgeFails(fakeredis.FakeRedis):
    """Goes away right after the commit."""

    error: Exception = RedisConnectionError("connection reset")

    def execute_command(self, *args: Any, **options: Any) -> Any:
        if args[0] == "SET" and "nudge" in str(args[1]):
            raise self.error
        return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # fakeredis ships no types


@pytest.mark.parametrize(
    "error", [RedisConnectionError("reset"), OutOfMemoryError("OOM")], ids=["down", "full"]
)
def test_a_job_that_is_committed_is_returned_even_if_no_worker_can_be_told(
    client_on: Callable[[Redis], BatchClient], error: Exception
) -> None:
    ledger = NudgeFails()
    ledger.error = error

    job = client_on(ledger).enqueue(MODEL, User, [says()])

    assert job.status() is JobStatus.QUEUED


class CommitFails(fakeredis.FakeRedis):
    """Loses the answer to a script that runs in a pipeline: the commit is the only one."""

    executed = True
    error: Exception = RedisConnectionError("connection reset")

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Any:  # noqa: FBT001, FBT002
        pipe: Any = super().pipeline(transaction, shard_hint)
        run = pipe.execute

        def execute(**options: Any) -> Any:
            if not any(command[0][0] == "EVALSHA" for command in pipe.command_stack):
                return run(**options)
            if self.executed:
                run(**options)
            raise self.error

        pipe.execute = execute
        return pipe


def test_a_commit_whose_answer_is_lost_is_no_error(client_on: Callable[[Redis], BatchClient]) -> None:
    job = client_on(CommitFails()).enqueue(MODEL, User, [says()])

    assert job.status() is JobStatus.QUEUED


def test_a_commit_that_the_disk_does_not_confirm_in_time_is_no_second_job(
    client_on: Callable[[Redis], BatchClient],
) -> None:
    ledger = CommitFails()
    ledger.error = QueueUnavailableError("not confirmed on disk")

    job = client_on(ledger).enqueue(MODEL, User, [says()])

    assert job.status() is JobStatus.QUEUED


@pytest.mark.parametrize(
    ("error", "expected"),
    [(RedisConnectionError("reset"), QueueUnavailableError), (OutOfMemoryError("OOM"), QueueFullError)],
    ids=["down", "full"],
)
def test_a_commit_that_fails_leaves_nothing_in_redis(
    client_on: Callable[[Redis], BatchClient], error: Exception, expected: type[BatchlineError]
) -> None:
    ledger = CommitFails()
    ledger.executed = False
    ledger.error = error

    with pytest.raises(expected):
        client_on(ledger).enqueue(MODEL, User, [says()], idempotency_key="k")

    # A counter stays, at naught.
    assert [key for key in keys_left(ledger) if not key.endswith(b":tally")] == []


def test_redis_that_is_down_is_named(client_on: Callable[[Redis], BatchClient]) -> None:
    server = fakeredis.FakeServer()
    server.connected = False

    with pytest.raises(QueueUnavailableError, match="cannot be reached"):
        client_on(fakeredis.FakeRedis(server=server)).enqueue(MODEL, User, [says()])
