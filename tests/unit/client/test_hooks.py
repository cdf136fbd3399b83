"""Whom a job tells of its end is checked when it is enqueued, as far as a client can know."""

from __future__ import annotations

from typing import Any

import fakeredis
import pytest

from batchline import BatchClient, InvalidInputError, Settings

SHOP = {"url": "https://shop.example/hook?token=planted", "secret_env": "SHOP_SECRET"}
REQUESTS = [[{"role": "user", "content": "hi"}]]


def client(**settings: Any) -> BatchClient:
    made = Settings.load(broker_url="memory://", durable_writes=False, **settings)
    return BatchClient(settings=made, redis=fakeredis.FakeRedis())


def enqueue(client: BatchClient, **hooks: Any) -> str:
    return client.enqueue("openai/gpt-4o-mini", None, REQUESTS, **hooks).id


def test_both_are_kept_with_the_job_by_name() -> None:
    queue = client(webhooks={"shop": SHOP})
    meta = queue.connection.jobs.meta(enqueue(queue, on_complete="shop.done@priority", webhook="shop"))

    assert (meta.on_complete, meta.webhook) == ("shop.done@priority", "shop")
    record = queue.connection.redis.hgetall(f"batchline:{{{meta.id}}}:meta")
    assert b"planted" not in b"".join(record.values())  # type: ignore[union-attr]


def test_a_job_without_hooks_has_no_field_for_them() -> None:
    queue = client()
    job_id = enqueue(queue)
    record: Any = queue.connection.redis.hgetall(f"batchline:{{{job_id}}}:meta")

    assert not {b"on_complete", b"webhook"} & set(record)
    meta = queue.connection.jobs.meta(job_id)
    assert (meta.on_complete, meta.webhook) == ("", "")


@pytest.mark.parametrize("target", ["", "@", "shop.done@", "@queue", "a b", "a@b@c", 5, "x" * 256])
def test_a_malformed_task_is_refused_and_nothing_enqueued(target: Any) -> None:
    queue = client()

    with pytest.raises(InvalidInputError, match="on_complete must be"):
        enqueue(queue, on_complete=target)
    assert queue.jobs() == []


@pytest.mark.parametrize("name", ["", "Shop", "https://shop.example", "a b", 5, "x" * 65, "shop\n"])
def test_a_malformed_webhook_is_refused_and_nothing_enqueued(name: Any) -> None:
    queue = client()

    with pytest.raises(InvalidInputError, match="webhook must be the name"):
        enqueue(queue, webhook=name)
    assert queue.jobs() == []


def test_a_client_that_knows_endpoints_refuses_an_unknown_one() -> None:
    with pytest.raises(InvalidInputError, match=r"there is: shop.*BATCHLINE_WEBHOOKS__OTHER__URL"):
        enqueue(client(webhooks={"shop": SHOP}), webhook="other")


def test_a_client_that_knows_none_leaves_it_to_the_workers() -> None:
    assert enqueue(client(), webhook="other")
