"""A provider's webhook hastens the poll of its batch, and nothing else; what is not genuine is refused."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from typing import TYPE_CHECKING, Any

import fakeredis
import pytest

from batchline import (
    AsyncBatchClient,
    BatchClient,
    ConfigurationError,
    InvalidInputError,
    InvalidModelError,
    InvalidWebhookError,
    JobStatus,
    QueueUnavailableError,
)
from batchline_shared.ledger import BatchIndex, Stage, keys
from scripted_provider import lost_reply
from worker_bench import WorkerBench

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = b"planted secret of a provider"
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_WEBHOOK_SECRET", "GEMINI_WEBHOOK_SECRET", "RESEARCH_SECRET"):
        monkeypatch.setenv(name, SECRET)


@pytest.fixture
def bench() -> WorkerBench:
    accounts = {
        "research": {"provider": "openai", "webhook_secret_env": "RESEARCH_SECRET"},
        "plain": {"provider": "openai"},
    }
    # Polls are far apart, so that only a hint explains one.
    return WorkerBench(
        fakeredis.FakeRedis(),
        durable_writes=False,
        poll_interval_s=3600,
        poll_max_interval_s=3600,
        accounts=accounts,
    )


def event(batch_id: str, kind: str = "batch.completed") -> bytes:
    return json.dumps({"id": "evt_1", "object": "event", "type": kind, "data": {"id": batch_id}}).encode()


def signed(body: bytes, *, key: bytes = KEY, age_s: float = 0.0) -> dict[str, str]:
    """Headers as the specification defines them, by hand."""
    stamp = str(int(time.time() - age_s))
    digest = hmac.new(key, b"msg_1." + stamp.encode() + b"." + body, hashlib.sha256).digest()
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": stamp,
        "Webhook-Signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def test_a_genuine_one_makes_the_poll_of_its_batch_due_at_once(bench: WorkerBench) -> None:
    job = bench.submitted()
    shard = bench.shard(job)
    bench.provider.end_all()
    assert (bench.due_in_s(shard.id, Stage.POLL) or 0) > 3000
    body = event(shard.batch_id)

    assert bench.client.provider_webhook("openai", signed(body), body) is True

    assert (bench.due_in_s(shard.id, Stage.POLL) or 0) <= 0
    assert bench.redis.exists(keys.NUDGE % Stage.POLL)
    bench.run()
    assert job.status() is JobStatus.COMPLETED


@pytest.mark.parametrize("kind", ["batch.completed", "batch.failed", "batch.expired", "batch.cancelled"])
def test_it_is_believed_for_nothing_but_when_to_look(bench: WorkerBench, kind: str) -> None:
    job = bench.submitted()
    body = event(bench.shard(job).batch_id, kind)
    assert bench.client.provider_webhook("openai", signed(body), body)
    bench.run()

    assert job.status() is JobStatus.IN_PROGRESS
    assert bench.shard(job).state == "submitted"


def test_other_batches_are_not_touched(bench: WorkerBench) -> None:
    hinted, other = bench.submitted(), bench.submitted()
    body = event(bench.shard(hinted).batch_id)
    bench.client.provider_webhook("openai", signed(body), body)

    assert (bench.due_in_s(bench.shard(other).id, Stage.POLL) or 0) > 3000


def test_doubled_late_and_early_ones_are_harmless(bench: WorkerBench) -> None:
    early = event("batch_0")
    assert bench.client.provider_webhook("openai", signed(early), early) is False
    job = bench.submitted()
    body = event(bench.shard(job).batch_id)
    for _ in range(3):
        assert bench.client.provider_webhook("openai", signed(body), body) is True
    bench.provider.end_all()
    bench.run()
    assert job.status() is JobStatus.COMPLETED
    before = bench.redis.hgetall(keys.work(keys.partition_of(job.id), bench.shard(job).id))

    assert bench.client.provider_webhook("openai", signed(body), body) is False

    assert bench.redis.hgetall(keys.work(keys.partition_of(job.id), bench.shard(job).id)) == before
    assert all(bench.due_in_s(bench.shard(job).id, stage) is None for stage in (Stage.POLL, Stage.COLLECT))


def test_one_that_comes_while_the_batch_is_looked_at_does_not_take_it_away(bench: WorkerBench) -> None:
    job = bench.submitted()
    bench.later(4000)
    (leased,) = bench.queue.lease_shards(Stage.POLL, 1)
    body = event(leased.batch_id)

    assert bench.client.provider_webhook("openai", signed(body), body) is True

    assert bench.queue.renew(leased, Stage.POLL)
    assert (bench.due_in_s(bench.shard(job).id, Stage.POLL) or 0) > 60


def test_a_batch_that_was_found_again_is_known_too(bench: WorkerBench) -> None:
    bench.provider.fail("create", lost_reply(), done=True)
    job = bench.submitted()
    bench.later(bench.settings.reconcile_quiet_s + 1)
    bench.run(Stage.SUBMIT)
    body = event(bench.shard(job).batch_id)

    assert bench.client.provider_webhook("openai", signed(body), body) is True


def test_only_batches_that_run_are_remembered_and_none_for_ever(bench: WorkerBench) -> None:
    job = bench.submitted()
    name = keys.batch_shard("openai", bench.shard(job).batch_id)
    assert 0 < bench.redis.ttl(name) <= 4 * 24 * 3600
    bench.provider.end_all()
    bench.later(4000)
    bench.run()

    assert job.status().is_final
    assert not bench.redis.exists(name)


def test_a_provider_that_sends_none_is_not_remembered() -> None:
    bench = WorkerBench(fakeredis.FakeRedis(), durable_writes=False)
    bench.provider.name = "anthropic"
    bench.context = bench.worker()
    bench.client.enqueue("anthropic/claude-sonnet-4-5", None, [[{"role": "user", "content": "hi"}]])
    bench.run(Stage.PLAN, Stage.SUBMIT)

    assert bench.provider.calls["create"] == 1
    assert [name for name in bench.redis.keys("*") if name.startswith(b"batchline:batch:")] == []


def genuine() -> tuple[dict[str, str], bytes]:
    body = event("batch_1")
    return signed(body), body


def spoiled() -> Iterator[tuple[str, dict[str, str], bytes]]:
    headers, body = genuine()
    yield "another body", headers, body + b" "
    yield "another secret", signed(body, key=b"x"), body
    yield "too old", signed(body, age_s=310), body
    yield "from the future", signed(body, age_s=-310), body
    yield "no signature", headers | {"Webhook-Signature": ""}, body
    yield "no comma", headers | {"Webhook-Signature": "v1"}, body
    yield (
        "another version",
        headers | {"Webhook-Signature": headers["Webhook-Signature"].replace("v1", "v2")},
        body,
    )
    yield "no base64", headers | {"Webhook-Signature": "v1,é"}, body
    yield "no time", headers | {"Webhook-Timestamp": "now"}, body
    yield "no number", headers | {"Webhook-Timestamp": "nan"}, body
    yield "no headers", {}, body
    yield "no text", signed(b"\xff"), b"\xff"
    yield "no JSON", signed(b"{"), b"{"


@pytest.mark.parametrize("spoilt", [name for name, *_ in spoiled()])
def test_what_is_not_genuine_is_refused_without_asking_redis(spoilt: str) -> None:
    # Made anew: their times are those of this moment.
    headers, body = next((headers, body) for name, headers, body in spoiled() if name == spoilt)
    client = BatchClient("redis://127.0.0.1:1/0")

    with pytest.raises(InvalidWebhookError, match="answer it with 400") as caught:
        client.provider_webhook("openai", headers, body)
    assert SECRET not in str(caught.value)


def test_a_genuine_one_that_redis_cannot_take_says_so() -> None:
    headers, body = genuine()

    with pytest.raises(QueueUnavailableError):
        BatchClient("redis://127.0.0.1:1/0").provider_webhook("openai", headers, body)


@pytest.mark.parametrize(
    "content",
    [
        {"type": "response.completed", "data": {"id": "batch_1"}},
        {"type": "batch.completed", "data": {}},
        {"type": "batch.completed", "data": {"id": 7}},
        {"type": "batch.completed"},
        {"type": 5},
        [],
    ],
)
def test_an_event_about_something_else_is_no_error(bench: WorkerBench, content: Any) -> None:
    body = json.dumps(content).encode()

    assert bench.client.provider_webhook("openai", signed(body), body) is False


def test_a_named_account_has_a_secret_and_batches_of_its_own(bench: WorkerBench) -> None:
    job = bench.submitted()
    shard = bench.shard(job)
    BatchIndex(bench.redis).note("openai@research", "batch_7", shard.id)
    body = event("batch_7")

    assert bench.client.provider_webhook("openai", signed(body), body) is False
    assert bench.client.provider_webhook("openai@research", signed(body), body) is True


@pytest.mark.parametrize("batch_id", ["abc123", "batches/abc123"])
def test_a_batch_of_gemini_is_known_by_its_name_or_its_id(bench: WorkerBench, batch_id: str) -> None:
    shard = bench.shard(bench.submitted())
    BatchIndex(bench.redis).note("gemini", "batches/abc123", shard.id)
    body = event(batch_id, "batch.succeeded")

    assert bench.client.provider_webhook("gemini", signed(body), body) is True


@pytest.mark.parametrize("route", ["anthropic", "google", "", "nobody@x"])
def test_a_provider_that_sends_none_is_refused(bench: WorkerBench, route: str) -> None:
    with pytest.raises(InvalidInputError, match="openai, gemini"):
        bench.client.provider_webhook(route, *genuine())


def test_an_account_that_is_unknown_or_names_no_secret_is_refused(bench: WorkerBench) -> None:
    with pytest.raises(InvalidModelError, match="BATCHLINE_ACCOUNTS__OTHER__"):
        bench.client.provider_webhook("openai@other", *genuine())
    with pytest.raises(ConfigurationError, match="BATCHLINE_ACCOUNTS__PLAIN__WEBHOOK_SECRET_ENV"):
        bench.client.provider_webhook("openai@plain", *genuine())


@pytest.mark.parametrize("secret", [None, "", "whsec_planted#", "planted"])
def test_a_missing_or_malformed_secret_names_its_variable(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch, secret: str | None
) -> None:
    monkeypatch.delenv("OPENAI_WEBHOOK_SECRET")
    if secret is not None:
        monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", secret)

    with pytest.raises(ConfigurationError, match="OPENAI_WEBHOOK_SECRET") as caught:
        bench.client.provider_webhook("openai", *genuine())
    assert "planted" not in str(caught.value)


def test_while_secrets_change_both_are_good(bench: WorkerBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", f"whsec_bmV3LXNlY3JldA== {SECRET}")

    assert bench.client.provider_webhook("openai", *genuine()) is False


def test_the_asynchronous_client_takes_them_too(bench: WorkerBench) -> None:
    body = event(bench.shard(bench.submitted()).batch_id)

    async def take() -> bool:
        async with AsyncBatchClient(settings=bench.settings, redis=bench.redis) as client:
            return await client.provider_webhook("openai", signed(body), body)

    assert asyncio.run(take()) is True


def test_no_secret_reaches_redis(bench: WorkerBench) -> None:
    job = bench.submitted(webhook="shop")
    body = event(bench.shard(job).batch_id)
    bench.client.provider_webhook("openai", signed(body), body)

    held = b"".join(bench.redis.dump(name) for name in bench.redis.keys("*"))
    assert SECRET.encode() not in held
    assert KEY not in held
