"""One process's way to the ledger."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

import fakeredis
import pytest
from redis.exceptions import ResponseError

from batchline import BatchClient, ConfigurationError, LedgerError, QueueUnavailableError, Settings
from batchline.connection import Connection
from batchline_ops.embedded.server import free_port
from batchline_shared.ledger import redis_errors
from unit.client.sketches import MODEL, User, says

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis


def test_making_a_client_sends_nothing() -> None:
    BatchClient("redis://127.0.0.1:1/0").close()


def test_redis_that_is_not_there_is_named_with_the_variable_to_correct() -> None:
    with (
        BatchClient(f"redis://:hunter2@127.0.0.1:{free_port()}/0") as client,
        pytest.raises(QueueUnavailableError, match="BATCHLINE_REDIS_URL") as caught,
    ):
        client.enqueue(MODEL, User, [says()])

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://localhost", "localhost:6379", "redis://localhost:port/0"])
def test_what_is_no_redis_url_is_a_matter_of_configuration(url: str) -> None:
    with pytest.raises(ConfigurationError, match="REDIS_URL"):
        BatchClient(url).jobs()


def test_a_password_that_reads_like_a_port_is_not_quoted() -> None:
    with pytest.raises(ConfigurationError, match="REDIS_URL") as caught:
        BatchClient("redis://:hunter2/abc@localhost:6379/0").jobs()

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "error"),
    [("NOREPLICAS Not enough good replicas", QueueUnavailableError), ("WRONGTYPE of a key", LedgerError)],
)
def test_a_refused_pipeline_is_told_without_the_prompt_in_its_command(
    words: str, error: type[Exception]
) -> None:
    refused = ResponseError(f"Command # 1 (HSET k 0 my diagnosis) of pipeline caused error: {words}")
    with pytest.raises(error, match=words[:8]) as caught, redis_errors("here"):
        raise refused

    assert "diagnosis" not in "".join(traceback.format_exception(caught.value))


def test_a_ledger_of_another_version_is_refused(client: BatchClient, ledger: Redis) -> None:
    ledger.set("batchline:schema", 99)

    with pytest.raises(LedgerError, match="99"):
        client.jobs()


def test_threads_that_open_it_at_once_share_one_ledger(ledger: Redis) -> None:
    connection = Connection(settings=Settings(broker_url="memory://"), redis=ledger)
    start = threading.Barrier(8)
    seen: list[Any] = []

    def use() -> None:
        start.wait()
        seen.append((connection.jobs, connection.work))

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({(id(jobs), id(work)) for jobs, work in seen}) == 1


class Closable(fakeredis.FakeRedis):
    """Says whether it has been closed."""

    closed = False

    def close(self) -> None:
        self.closed = True


def test_a_client_that_was_handed_in_stays_open(client_on: Callable[[Redis], BatchClient]) -> None:
    ledger = Closable()

    with client_on(ledger) as client:
        client.jobs()

    assert not ledger.closed
    assert client.jobs() == []


def test_a_broker_that_is_down_is_logged_and_delays_nothing(caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(broker_url=f"redis://127.0.0.1:{free_port()}/1")
    client = BatchClient(settings=settings, redis=fakeredis.FakeRedis())
    started = time.monotonic()

    with caplog.at_level(logging.WARNING, "batchline"):
        job = client.enqueue(MODEL, User, [says()])

    assert job.status() == "queued"
    assert "the broker could not be nudged" in caplog.text
    assert time.monotonic() - started < 5
