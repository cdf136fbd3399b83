"""What the broker's queues hold is read as JSON or not at all: no message can run code of its own."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu.connection import Connection
from kombu.exceptions import ContentDisallowed

from batchline_shared.broker import TICK_QUEUE, TICK_TASK
from batchline_worker.app import app


class _Touch:
    """Unpickled, it makes a file: proof that something of the message ran."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def _refusals(reader: Celery, body: bytes, content_type: str) -> list[Exception]:
    """Publish one message as anyone with the broker's password could, read it as a worker does."""
    refused: list[Exception] = []
    made: Any = Connection("memory://")  # type: ignore[no-untyped-call]
    with made as connection, connection.channel() as channel:
        consumer = reader.amqp.TaskConsumer(channel, on_decode_error=lambda _, error: refused.append(error))
        consumer.register_callback(lambda body, _: body)  # a callback, so that the body is decoded
        with consumer:
            connection.Producer(channel).publish(
                body,
                routing_key=TICK_QUEUE,
                exchange=TICK_QUEUE,
                content_type=content_type,
                content_encoding="binary" if "python" in content_type else "utf-8",
                headers={"task": TICK_TASK, "id": "hostile"},
            )
            connection.drain_events(timeout=5)
    return refused


def test_a_pickled_message_is_refused_before_anything_of_it_runs(tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    refused = _refusals(app, pickle.dumps(_Touch(ran)), "application/x-python-serialize")

    assert [type(error) for error in refused] == [ContentDisallowed]
    assert not ran.exists()


def test_the_same_message_runs_where_pickle_is_taken(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    careless = Celery("careless", set_as_current=False)
    careless.conf.update(accept_content=["pickle"], task_queues=app.conf.task_queues)

    assert _refusals(careless, pickle.dumps(_Touch(ran)), "application/x-python-serialize") == []
    assert ran.exists()  # so the test above could have failed


@pytest.mark.parametrize("content_type", ["application/x-yaml", "application/x-msgpack", "text/plain"])
def test_a_message_in_any_other_form_is_refused(content_type: str) -> None:
    refused = _refusals(app, b"[[], {}, {}]", content_type)

    assert [type(error) for error in refused] == [ContentDisallowed]


def test_no_order_over_the_broker_can_make_a_worker_import_modules() -> None:
    assert not app.conf.worker_pool_restarts  # `pool_restart` takes names of modules to import


@pytest.mark.parametrize("name", sorted(name for name in app.tasks if name.startswith("batchline.")))
def test_a_task_takes_nothing_from_its_message(name: str) -> None:
    with pytest.raises(TypeError):
        app.tasks[name].run("https://attacker.example/", path="/etc/passwd")
