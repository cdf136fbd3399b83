"""Being told that a job has ended, and hints from a provider, with real processes."""

from __future__ import annotations

import base64
import json
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from standardwebhooks import Webhook

from acceptance.live_stack import LiveStack, until
from batchline import DeliveryState, JobStatus
from batchline_shared.ledger import keys
from http_receiver import SECRET, Receiver, receiver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchline import Delivery, Job

BATCHLINE = Path(sys.executable).with_name("batchline")
PAGE = Path(__file__).parents[2] / "docs" / "hooks.md"
MODEL = "openai/gpt-4o-mini"
PROMPT = "the patient's name is Rumpelstiltskin"
PROVIDER_SECRET = "whsec_cGxhbnRlZC1zZWNyZXQtb2YtdGhlLXByb3ZpZGVyIQ=="


@pytest.fixture
def endpoint() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


def telling(endpoint: Receiver, **changes: str) -> dict[str, str]:
    """A worker's settings for the endpoint."""
    return {
        "BATCHLINE_WEBHOOKS__SHOP__URL": endpoint.url,
        "BATCHLINE_WEBHOOKS__SHOP__SECRET_ENV": "SHOP_SECRET",
        "BATCHLINE_WEBHOOKS__SHOP__ALLOW_HTTP": "true",
        "BATCHLINE_WEBHOOK_WAITS_S": "[0.3, 0.3, 60]",
        "SHOP_SECRET": SECRET,
        **changes,
    }


def submit(stack: LiveStack, *options: str) -> Job[Any]:
    """A job of two requests, by the command line."""
    request = json.dumps([{"role": "user", "content": PROMPT}]) + "\n"
    answer = subprocess.run(
        [BATCHLINE, "batch", "submit", "-", "--model", MODEL, *options],
        input=request * 2,
        env=stack.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return stack.client.job(answer.stdout.strip())


def the_delivery(job: Job[Any]) -> Delivery:
    (delivery,) = job.deliveries()
    return delivery


def test_an_endpoint_that_fails_twice_gets_a_signed_message_and_every_attempt_can_be_read(
    stack: LiveStack, endpoint: Receiver
) -> None:
    endpoint.statuses.extend([500, 503])
    stack.worker(**telling(endpoint))
    with stack.broker_traffic() as commands:
        job = submit(stack, "--webhook", "shop", "--metadata", "team=search")
        assert job.wait(timeout_s=30) is JobStatus.COMPLETED
        until(lambda: len(endpoint.received) == 3)
        until(lambda: the_delivery(job).state is DeliveryState.DELIVERED)

    for got in endpoint.received:
        got.verify()
    assert len({(got.headers["webhook-id"], got.body) for got in endpoint.received}) == 1
    event = endpoint.received[0].event
    assert (event["type"], event["data"]["id"]) == ("batch.completed", job.id)
    assert event["data"]["counts"] == {"total": 2, "succeeded": 2, "errored": 0}
    assert event["data"]["metadata"] == {"team": "search"}
    shown = subprocess.run(
        [BATCHLINE, "batch", "deliveries", job.id, "--json"],
        env=stack.environment(),
        capture_output=True,
        timeout=60,
        check=True,
    )
    (delivery,) = json.loads(shown.stdout)["deliveries"]
    assert [attempt["status_code"] for attempt in delivery["attempts"]] == [500, 503, 204]
    told = stack.logs() + "".join(commands) + endpoint.received[0].body.decode()
    assert [text for text in (PROMPT, SECRET, "planted-token") if text in told] == []


def test_a_worker_killed_between_the_end_and_the_answer_has_it_told_by_another(
    stack: LiveStack, endpoint: Receiver
) -> None:
    endpoint.slow.set()
    first = stack.worker(**telling(endpoint))
    job = submit(stack, "--webhook", "shop")
    until(lambda: len(endpoint.received) == 1)  # sent, and not yet answered: nothing is written of it
    first.kill()
    assert job.status() is JobStatus.COMPLETED
    assert (the_delivery(job).state, the_delivery(job).tries) == (DeliveryState.PENDING, 0)
    endpoint.slow.clear()
    endpoint.go.set()

    stack.worker(**telling(endpoint))
    until(lambda: the_delivery(job).state is DeliveryState.DELIVERED)

    assert len(endpoint.received) == 2
    assert len({(got.headers["webhook-id"], got.body) for got in endpoint.received}) == 1
    for got in endpoint.received:
        got.verify()


def test_what_is_due_outlives_every_worker_and_a_missing_setting_is_named(
    stack: LiveStack, endpoint: Receiver
) -> None:
    # Soon due again after however many tries are made before this process looks.
    first = stack.worker(BATCHLINE_WEBHOOK_WAITS_S=str([1] * 50))
    job = submit(stack, "--webhook", "shop")
    until(lambda: the_delivery(job).tries >= 1 if job.status().is_final and job.deliveries() else False)
    first.kill()
    assert "BATCHLINE_WEBHOOKS__SHOP__URL" in the_delivery(job).message
    assert "BATCHLINE_WEBHOOKS__SHOP__URL" in stack.logs()

    stack.worker(**telling(endpoint))
    until(lambda: the_delivery(job).state is DeliveryState.DELIVERED)

    endpoint.received[0].verify()


@contextmanager
def application(stack: LiveStack, folder: Path) -> Iterator[Path]:
    """The page's own example of an application, as a Celery worker; its log."""
    (example,) = re.findall(r"^```python\n(# tasks\.py;.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (folder / "tasks.py").write_text(example)
    log = folder / "application.log"
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "tasks",
        "worker",
        "-P",
        "solo",
        "-n",
        "application@test",
    ]
    broker_url = stack.redis_url.removesuffix("/0") + "/1"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--without-gossip", "--without-mingle", "-l", "INFO"],
            cwd=folder,
            env=stack.environment(SHOP_BROKER_URL=broker_url),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield log
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_the_page_s_own_application_gets_its_task_with_the_job_s_id_alone(
    stack: LiveStack, tmp_path: Path
) -> None:
    stack.worker()
    job = submit(stack, "--on-complete", "shop.batch_done")
    until(lambda: job.deliveries() and the_delivery(job).state is DeliveryState.DELIVERED)
    # The broker keeps the task until there is somebody.
    (sent,) = [json.loads(message) for message in stack.broker.lrange("celery", 0, -1)]
    assert (sent["headers"]["task"], sent["headers"]["id"]) == ("shop.batch_done", f"{job.id}-1")
    arguments, named, _ = json.loads(base64.b64decode(sent["body"]))
    assert (arguments, named) == ([job.id], {})

    with application(stack, tmp_path) as log:
        until(lambda: f"{job.id} has ended as completed: 2 of 2" in log.read_text())


def test_a_providers_webhook_ends_a_job_long_before_its_next_poll(
    stack: LiveStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", PROVIDER_SECRET)
    far = {"BATCHLINE_POLL_INTERVAL_S": "600", "BATCHLINE_POLL_MAX_INTERVAL_S": "600"}
    stack.worker(**far)
    job = submit(stack)
    until(lambda: job.batches() and job.batches()[0].batch_id)
    batch_id = job.batches()[0].batch_id or ""
    until(lambda: stack.client.connection.redis.exists(keys.batch_shard("openai", batch_id)))
    assert job.status() is JobStatus.IN_PROGRESS

    body = json.dumps({"object": "event", "type": "batch.completed", "data": {"id": batch_id}})
    assert stack.client.provider_webhook("openai", signed(stack, body), body) is True

    assert job.wait(timeout_s=20) is JobStatus.COMPLETED
    stack.assert_paid_once(job.id, 1, 2)
    assert stack.client.provider_webhook("openai", signed(stack, body), body) is False


def signed(stack: LiveStack, body: str) -> dict[str, str]:
    """The headers of the provider's request."""
    now_ms = stack.client.connection.work.now_ms()
    sent_at = datetime.fromtimestamp(now_ms / 1000, UTC)
    return {
        "webhook-id": "wh_1",
        "webhook-timestamp": str(int(sent_at.timestamp())),
        "webhook-signature": Webhook(PROVIDER_SECRET).sign("wh_1", sent_at, body),
    }
