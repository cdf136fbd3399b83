"""Clients that share a ledger, a connection or a sudden end."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from batchline import BatchClient, Settings
from unit.client.sketches import MODEL, User, says

if TYPE_CHECKING:
    from batchline_ops.embedded import EmbeddedServer

ENDLESS = """
import itertools, sys
from batchline import BatchClient
conversations = ([{"role": "user", "content": f"passage {n}"}] for n in itertools.count())
BatchClient(sys.argv[1]).enqueue("openai/gpt-4o-mini", None, conversations, idempotency_key="nightly")
"""


def test_threads_may_share_one_client(server: EmbeddedServer) -> None:
    client = BatchClient(settings=Settings(redis_url=server.url, broker_url="memory://"))

    with client, ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(client.enqueue, MODEL, User, [says()] * 600) for _ in range(8)]
        ids = {call.result().id for call in calls}

        assert {info.id: info.total for info in client.jobs()} == dict.fromkeys(ids, 600)


def test_a_client_that_is_killed_during_an_enqueue_leaves_nothing_that_lasts(
    client: BatchClient, server: EmbeddedServer, ledger: Any
) -> None:
    with subprocess.Popen([sys.executable, "-c", ENDLESS, server.url]) as process:
        deadline = time.monotonic() + 20
        while not ledger.keys("*:in"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()

    assert client.jobs() == []
    assert [key for key in ledger.keys("batchline:{job_*") if ledger.ttl(key) == -1] == []
    assert not ledger.keys("batchline:{p*:due:*")
