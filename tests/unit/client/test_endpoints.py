"""Jobs of other endpoints than the provider's usual one, and of accounts that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from batchline import (
    BatchClient,
    BatchRequest,
    IdempotencyConflictError,
    InvalidInputError,
    InvalidModelError,
    InvalidRequestError,
    Settings,
)
from batchline_shared.accounts import Account
from batchline_shared.ledger import JobStore
from unit.client.sketches import MODEL, User, keys_left, says

if TYPE_CHECKING:
    from redis import Redis

    from batchline import Job

EMBEDDINGS: Final = "/v1/embeddings"
RESPONSES = "/v1/responses"
EMBED = "openai/text-embedding-3-small"


def rows(ledger: Redis, job: Job[Any]) -> list[bytes]:
    return next(JobStore(ledger).rows(job.id, [0]))


def test_texts_are_embedded_without_a_word_of_tokens_or_temperature(
    client: BatchClient, ledger: Redis
) -> None:
    requests: list[Any] = ["one", ["two", "three"], BatchRequest(messages=["four"], custom_id=None)]

    job = client.enqueue(EMBED, None, requests, endpoint=EMBEDDINGS)

    meta = JobStore(ledger).meta(job.id)
    assert (meta.endpoint, meta.structured) == (EMBEDDINGS, True)
    assert meta.template == b'{"model":"text-embedding-3-small"}'
    assert rows(ledger, job) == [b'"one"', b'["two","three"]', b'["four"]']


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"response_model": User}, "response model must be None"),
        ({"max_tokens": 5}, "max_tokens must not be set"),
        ({"options": {"dimensions": 0}}, "'dimensions' must be a whole number"),
        ({"endpoint": "/v1/moderations"}, "no endpoint '/v1/moderations'; it has /v1/chat/completions"),
    ],
    ids=["response model", "max_tokens", "option", "endpoint"],
)
def test_what_an_endpoint_does_not_take_is_refused(
    client: BatchClient, ledger: Redis, arguments: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InvalidInputError, match=reason):
        client.enqueue(
            **{"model": EMBED, "response_model": None, "requests": ["a"], "endpoint": EMBEDDINGS} | arguments
        )

    assert keys_left(ledger) == []


@pytest.mark.parametrize("text", ["", [], ["a", ""], says()], ids=str)
def test_what_is_no_text_is_named_by_its_position(client: BatchClient, ledger: Redis, text: Any) -> None:
    with pytest.raises(InvalidRequestError, match="request 1: "):
        client.enqueue(EMBED, None, ["one", text], endpoint=EMBEDDINGS)

    assert keys_left(ledger) == []


def test_more_texts_than_one_request_may_hold_are_refused(client: BatchClient) -> None:
    with pytest.raises(InvalidRequestError, match="has 2049 texts; at most 2048"):
        client.enqueue(EMBED, None, [["x"] * 2049], endpoint=EMBEDDINGS)


def test_a_requests_own_options_stand_beside_the_jobs_schema(client: BatchClient, ledger: Redis) -> None:
    own = BatchRequest(messages=says(), options={"text": {"verbosity": "low"}})

    job = client.enqueue(MODEL, User, [says(), own], endpoint=RESPONSES)

    plain, mine = rows(ledger, job)
    assert plain.startswith(b"[")
    assert b'"text":{"format":{"type":"json_schema"' in mine
    assert b'"verbosity":"low"' in mine


def test_a_request_cannot_leave_the_schema_behind(client: BatchClient) -> None:
    own = BatchRequest(messages=says(), options={"text": {"format": {"type": "text"}}})

    with pytest.raises(InvalidRequestError, match=r"request 0: option 'text\.format' cannot be set"):
        client.enqueue(MODEL, User, [own], endpoint=RESPONSES)


def test_an_idempotency_key_does_not_stand_for_a_job_of_another_endpoint(client: BatchClient) -> None:
    arguments: dict[str, Any] = {"max_tokens": None, "temperature": None, "idempotency_key": "nightly"}
    client.enqueue(MODEL, None, [says()], **arguments)

    with pytest.raises(IdempotencyConflictError, match="endpoint"):
        client.enqueue(MODEL, None, [says()], endpoint=RESPONSES, **arguments)


@pytest.fixture
def with_accounts(ledger: Redis) -> BatchClient:
    accounts = {"azure": Account(path_prefix="", max_bytes=2048), "claude": Account(provider="anthropic")}
    settings = Settings(redis_url="redis://in-memory/0", broker_url="memory://", accounts=accounts)
    return BatchClient(settings=settings, redis=ledger)


def test_an_account_is_part_of_a_jobs_model(with_accounts: BatchClient) -> None:
    job = with_accounts.enqueue("openai@azure/my-deployment", None, [says()])

    assert job.info().model == "openai@azure/my-deployment"
    assert [info.id for info in with_accounts.jobs(model="openai@azure/my-deployment")] == [job.id]
    assert with_accounts.jobs(model="openai/my-deployment") == []


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("openai@nowhere/m", r"no account 'nowhere' \(there is: azure, claude\)"),
        ("openai@claude/m", 'use "anthropic@claude/m"'),
    ],
)
def test_an_account_that_the_client_does_not_know_is_refused(
    with_accounts: BatchClient, ledger: Redis, model: str, reason: str
) -> None:
    with pytest.raises(InvalidModelError, match=reason):
        with_accounts.enqueue(model, None, [says()])

    assert keys_left(ledger) == []


def test_a_request_larger_than_its_account_takes_is_refused(with_accounts: BatchClient) -> None:
    with pytest.raises(InvalidRequestError, match="bytes as JSON; openai takes at most"):
        with_accounts.enqueue("openai@azure/m", None, [says("x" * 2048)])
