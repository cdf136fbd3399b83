"""A large job behind a small room: does it finish by itself, and do small jobs get by?

python ops/bench/large_job.py [--requests N] [--token-limit N] [--outage-s S]

The simulator plays OpenAI with a limit of enqueued tokens that nobody has told us, fails one row in twenty,
lets three batches expire, and is down for a while. Ten small jobs are enqueued beside the large one. What
they cost by our table is compared with the tokens that the simulator says it ran, at the list's prices.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metering import peak_bytes
from services import running_services

from batchline import BatchClient, RetryPolicy, Settings
from batchline_simulator import SimulatorConfig, running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchline import Job
    from batchline_simulator import SimulatorProcess

MODEL = "openai/gpt-4.1-mini"
SMALL_JOBS, SMALL_REQUESTS = 10, 50
ROWS = {"call": "row", "kind": "server_error", "rate": 0.05}
USD_PER_TOKEN = {"input_tokens": Decimal("0.20") / 10**6, "output_tokens": Decimal("0.80") / 10**6}
"""Of `MODEL` in a batch: half of https://platform.openai.com/docs/pricing."""
CALLS = ("files.create", "batches.create", "batches.retrieve", "batches.list", "files.content")


def main() -> int:
    """Run it, and print what came of it as a JSON line; 1 where an outcome or a cost is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--token-limit", type=int, default=100_000)
    parser.add_argument("--outage-s", type=float, default=60.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="batchline-large-") as name:
        folder = Path(name)
        limit = {MODEL.partition("/")[2]: options.token_limit}
        with running_simulator(
            SimulatorConfig(data_dir=folder / "simulator", speed=0, token_limit=limit)
        ) as simulator:
            simulator.arm(ROWS, {"call": "batches.create", "kind": "expire", "times": 3, "skip": 20})
            with running_services(folder / "services", simulator.base_url) as services:
                os.environ.update(services.environment)
                found = _run(options, simulator)
                peaks = {"client": found.pop("client_bytes"), **services.peaks()}
    found["peak_mb"] = {name: round(size / 1e6) for name, size in peaks.items()}
    print(json.dumps(found))
    right = all(table == by_hand for table, by_hand in found["cost_usd"].values())
    return int(not (found["each_once"] and right))


def _run(options: argparse.Namespace, simulator: SimulatorProcess) -> dict[str, Any]:
    client = BatchClient(settings=Settings.load())
    policy = RetryPolicy(max_attempts=6, backoff_s=1)
    started = time.monotonic()
    large = client.enqueue(MODEL, None, _talks(options.requests), retry=policy, metadata={"part": "large"})
    enqueued_s = time.monotonic() - started
    while large.info().succeeded < options.requests // 20:
        time.sleep(0.2)
    outage = threading.Thread(target=_outage, args=(simulator, options.outage_s))
    waits: list[float] = []
    small: list[Job[str]] = []
    threads = [
        threading.Thread(target=_small, args=(client, policy, small, waits)) for _ in range(SMALL_JOBS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outage.start()
    large.wait(timeout_s=3600)
    outage.join()
    return {
        "requests": options.requests,
        "status": large.status(),
        "each_once": _each_once(large, options.requests),
        "errors": large.info().errors,
        "enqueue_s": round(enqueued_s, 1),
        "whole_s": round(time.monotonic() - started, 1),
        "batches": len(large.batches()),
        "attempts": max(one.attempts for one in large.iter_results()),
        "small_jobs_s": [round(wait_s, 1) for wait_s in sorted(waits)],
        # Before the simulator's log is read, which is no part of a client's work.
        "client_bytes": peak_bytes(os.getpid()) or 0,
        "cost_usd": _costs(client, simulator, {"large": [large], "small": small}),
    }


def _costs(
    client: BatchClient, simulator: SimulatorProcess, parts: dict[str, list[Job[str]]]
) -> dict[str, tuple[str, str]]:
    """What each part cost: by `BatchClient.costs`, and by the simulator's own count of tokens."""
    used = {batch["id"]: batch["usage"] for batch in simulator.batches()}
    table = {line.group: str(line.cost.batch_usd) for line in client.costs("tag:part")}
    by_hand = {part: Decimal(0) for part in parts}
    for part, jobs in parts.items():
        for usage in (used.pop(batch.batch_id) for job in jobs for batch in job.batches() if batch.batch_id):
            by_hand[part] += sum(usage[name] * price for name, price in USD_PER_TOKEN.items())
    found = {part: (table[part], str(by_hand[part])) for part in parts}
    return found | {"of nobody": ("0", str(sum(usage["input_tokens"] for usage in used.values() if usage)))}


def _talks(count: int) -> Iterator[list[dict[str, str]]]:
    for number in range(count):
        yield [{"role": "user", "content": f"Say in a few words what is special about the number {number}."}]


def _small(client: BatchClient, policy: RetryPolicy, jobs: list[Job[str]], waits: list[float]) -> None:
    started = time.monotonic()
    jobs.append(client.enqueue(MODEL, None, _talks(SMALL_REQUESTS), retry=policy, metadata={"part": "small"}))
    jobs[-1].wait(timeout_s=3600)
    waits.append(time.monotonic() - started)


def _outage(simulator: SimulatorProcess, seconds: float) -> None:
    """Have every call fail for a while."""
    simulator.arm(*({"call": call, "kind": "error_before", "status": 503, "rate": 1.0} for call in CALLS))
    time.sleep(seconds)
    simulator.set_faults(ROWS)


def _each_once(job: Job[str], count: int) -> bool:
    seen = bytearray(count)
    for outcome in job.iter_results():
        seen[int(outcome.custom_id.removeprefix("request-"))] += 1
    return seen == bytearray(b"\1" * count)


if __name__ == "__main__":
    raise SystemExit(main())
