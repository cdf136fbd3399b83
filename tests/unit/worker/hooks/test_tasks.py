"""A task of the application's own app: the job's id and nothing else, where that app looks for it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from kombu import Connection

from batchline_shared.ledger import DeliveryError
from batchline_worker.hooks import Attempt, Message
from batchline_worker.hooks.tasks import TaskSender
from batchline_worker.settings import WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def queue() -> str:
    """Queues in memory are the whole process's."""
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture
def broker() -> Iterator[Any]:
    with Connection("memory://") as connection:
        yield connection


def message(target: str) -> Message:
    return Message("job_1-1", target, "job_1", b'{"never":"sent"}', datetime.now(UTC))


def sender(**settings: Any) -> TaskSender:
    return TaskSender(WorkerSettings.load(broker_url="memory://", **settings))


def only_task(broker: Any, queue: str) -> Any:
    with broker.SimpleQueue(queue) as tasks:
        got = tasks.get(timeout=30)
        got.ack()
        assert tasks.qsize() == 0
    return got


@pytest.mark.parametrize("named", [True, False])
def test_a_task_bears_the_job_s_id_alone_and_goes_to_its_queue(
    broker: Any, queue: str, *, named: bool
) -> None:
    settings = {} if named else {"on_complete": {"queue": queue}}

    attempt = sender(**settings).send(message(f"shop.done@{queue}" if named else "shop.done"))

    assert attempt == Attempt()
    task = only_task(broker, queue)
    assert (task.headers["task"], task.headers["id"]) == ("shop.done", "job_1-1")
    assert task.payload[:2] == [["job_1"], {}]
    assert b"never" not in str(task.body).encode()


@pytest.mark.parametrize(
    "broker_url",
    ["redis://:planted-password@127.0.0.1:1/0", "amqp://me:planted-password@127.0.0.1:1//", "x://"],
)
def test_a_broker_that_does_not_take_it_is_a_failure_told_without_its_password(broker_url: str) -> None:
    attempt = sender(on_complete={"broker_url": broker_url}).send(message("shop.done"))

    assert attempt.error is DeliveryError.BROKER
    assert "planted" not in attempt.message


def test_a_malformed_name_in_the_ledger_is_a_failure() -> None:
    assert sender().send(message("@")).error is DeliveryError.NOT_CONFIGURED
