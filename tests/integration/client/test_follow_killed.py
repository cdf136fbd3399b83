"""`batch results --follow` as a real process that is killed again and again while outcomes land."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unit.client.sketches import ANN, MODEL, User, says
from unit.client.worker_desk import WorkerDesk

if TYPE_CHECKING:
    from batchline import BatchClient
    from batchline_ops.embedded import EmbeddedServer

BATCHLINE = Path(sys.executable).with_name("batchline")
MANY = 3000
KILLS = 5


def test_each_outcome_is_in_the_file_once_however_often_the_command_is_killed(
    client: BatchClient, server: EmbeddedServer, ledger: Any, tmp_path: Path
) -> None:
    job = client.enqueue(MODEL, User, [says()] * MANY)
    desk = WorkerDesk(ledger)
    desk.answer(job.id, *((n, ANN) for n in range(400)))
    arguments = ["batch", "results", "-b", job.id, "-o", "out.jsonl", "--follow", "--cursor-file", "cursor"]
    ours = {name: value for name, value in os.environ.items() if not name.startswith("BATCHLINE_")}

    def start() -> subprocess.Popen[bytes]:
        environment = ours | {"BATCHLINE_REDIS_URL": server.url}
        return subprocess.Popen(
            [BATCHLINE, *arguments], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL
        )

    output = tmp_path / "out.jsonl"
    started = threading.Semaphore(0)
    landing = threading.Thread(target=lands, args=[desk, job.id, started])
    landing.start()
    for _ in range(KILLS):
        size = output.stat().st_size if output.exists() else 0
        started.release()
        with start() as process:
            while process.poll() is None and (not output.exists() or output.stat().st_size <= size):
                time.sleep(0.002)
            time.sleep(random.uniform(0, 0.02))
            process.kill()
    landing.join()
    desk.end(job.id)
    with start() as process:
        assert process.wait(60) == 0

    written = [json.loads(line)["custom_id"] for line in output.read_text().splitlines()]
    assert written == [f"request-{n}" for n in range(MANY)]


def lands(desk: WorkerDesk, job_id: str, started: threading.Semaphore) -> None:
    """Land a part for each command that is started: it has something to write, however late it is."""
    for first in range(400, MANY, 100):
        if first in range(400, 400 + 500 * KILLS, 500):
            started.acquire()
        desk.answer(job_id, *((n, ANN) for n in range(first, first + 100)))
        time.sleep(0.1)
