"""Many workers on one real ledger, with faults: every job whole, every batch paid once."""

from __future__ import annotations

import random
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from batchline import JobStatus
from batchline_shared.errors import ProviderBusyError, ProviderUnavailableError
from batchline_shared.ledger import Stage
from batchline_worker.drain import Drains
from ledger_servers import REAL, embedded
from scripted_provider import Fault
from worker_bench import WorkerBench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchline_worker.context import WorkerContext


@pytest.fixture(params=REAL)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WorkerBench]:
    with embedded(request.param, tmp_path) as server, Redis.from_url(server.url) as redis:
        yield WorkerBench(redis, shard_max_requests=10, durable_writes=False)


def faults(seed: int) -> list[Fault | None]:
    """A provider's bad day, the same for the same seed."""
    dice = random.Random(seed)
    lost = ProviderUnavailableError("openai", "reset")
    busy = ProviderBusyError("openai", "429")
    choices: list[Any] = [None, None, None, Fault(lost), Fault(lost, done=True), Fault(busy)]
    return [dice.choice(choices) for _ in range(40)]


def run_all(bench: WorkerBench, workers: list[WorkerContext]) -> list[BaseException]:
    """Let all workers drain every stage at the same time; returns what went wrong in their threads."""
    errors: list[BaseException] = []

    def work(context: WorkerContext) -> None:
        drains = Drains(context, bench.settings)
        try:
            for stage in [*Stage] * 3:
                drains.drain(stage)
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=work, args=[context]) for context in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


@pytest.mark.parametrize("seed", range(2))
def test_four_workers_and_a_failing_provider_pay_once_and_lose_nothing(bench: WorkerBench, seed: int) -> None:
    for call in ("upload", "create", "find", "poll_many", "poll", "cancel"):
        bench.provider.faults[call].extend(faults(seed))
    jobs = [bench.enqueue(35) for _ in range(4)]
    for _ in range(60):
        assert run_all(bench, [bench.worker() for _ in range(4)]) == []
        bench.provider.end_all()
        if all(job.status().is_final for job in jobs):
            break
        bench.later(130)

    assert [job.status() for job in jobs] == [JobStatus.COMPLETED] * 4
    for job in jobs:
        bench.assert_whole(job)
        assert job.info().succeeded == 35
    of_shards = Counter(batch.shard_id for batch in bench.provider.batches.values())
    assert len(of_shards) == 16
    assert set(of_shards.values()) == {1}
