"""Jobs of one request from many processes: how many provider batches do they end in?

python ops/bench/small_jobs.py [--jobs N] [--processes N] [--linger-s S]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from services import running_services

from batchline import BatchClient, Settings
from batchline_simulator import SimulatorConfig, SimulatorProcess, running_simulator

MODEL = "openai/gpt-4.1-mini"


def main() -> int:
    """Run it, and print what came of it as a JSON line; 1 where a request was not sent exactly once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--linger-s", type=float, default=10.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="batchline-small-") as name:
        folder = Path(name)
        with (
            running_simulator(SimulatorConfig(data_dir=folder / "simulator", speed=0)) as simulator,
            running_services(folder / "services", simulator.base_url) as services,
        ):
            os.environ.update(services.environment)
            found = _run(options, simulator)
            found["peak_mb"] = {name: round(size / 1e6) for name, size in services.peaks().items()}
    print(json.dumps(found))
    return int(not found["each_once"])


def _run(options: argparse.Namespace, simulator: SimulatorProcess) -> dict[str, Any]:
    each = options.jobs // options.processes
    started = time.monotonic()
    with ProcessPoolExecutor(options.processes, get_context("spawn")) as pool:
        firsts = range(0, each * options.processes, each)
        parts = [pool.submit(enqueue, first, each, options.linger_s) for first in firsts]
        ids = [job_id for part in parts for job_id in part.result()]
    enqueued_s = time.monotonic() - started
    client = BatchClient(settings=Settings.load())
    seen: Counter[str] = Counter()
    for job_id in ids:
        job = client.job(job_id)
        job.wait(timeout_s=600)
        seen.update(outcome.custom_id for outcome in job.iter_results() if outcome.success)
    batches = simulator.batches()
    return {
        "jobs": len(ids),
        "enqueue_s": round(enqueued_s, 1),
        "whole_s": round(time.monotonic() - started, 1),
        "batches": len(batches),
        "requests_sent": sum(batch["line_count"] for batch in batches),
        "each_once": seen == Counter(f"q-{n}" for n in range(len(ids)))
        and sum(batch["line_count"] for batch in batches) == len(ids),
    }


def enqueue(first: int, count: int, linger_s: float) -> list[str]:
    """What a web handler does, for each of its visitors; returns the jobs' ids."""
    client = BatchClient(settings=Settings.load())
    return [
        client.enqueue(
            MODEL,
            None,
            [[{"role": "user", "content": f"question {n}"}]],
            custom_ids=[f"q-{n}"],
            linger_s=linger_s,
        ).id
        for n in range(first, first + count)
    ]


if __name__ == "__main__":
    raise SystemExit(main())
