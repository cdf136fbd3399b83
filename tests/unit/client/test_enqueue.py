"""What `enqueue` refuses, and that a refusal leaves nothing behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from batchline import (
    BatchClient,
    BatchlineError,
    BatchRequest,
    InvalidInputError,
    InvalidModelError,
    InvalidRequestError,
    JobStatus,
    SchemaError,
)
from batchline_shared.ledger import JobStore
from unit.client.sketches import ANN, MODEL, User, keys_left, says

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

    from unit.client.worker_desk import WorkerDesk


@pytest.mark.parametrize(
    "model", ["gpt-4o-mini", "", "openai/", "/gpt-4o-mini", "openai/ ", None, 7, "acme/gpt-4o-mini"]
)
def test_a_model_that_names_no_provider_and_model_is_refused(client: BatchClient, model: Any) -> None:
    with pytest.raises(InvalidModelError, match="provider"):
        client.enqueue(model, User, [says()])


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([], "empty"),
        ("hi", "expected a list of messages, got str"),
        ({"role": "user", "content": "hi"}, "expected a list of messages, got dict"),
        (None, "got NoneType"),
        (["hi"], r"messages\[0\] must be a dict"),
        ([*says(), 5], r"messages\[1\] must be a dict"),
        (says(role="assitant"), r"role 'assitant' does not exist; use one of assistant"),
        (says(role=None), "does not exist"),
        (says(role=["user"]), "does not exist"),
        ([{"content": "hi"}], "role None does not exist"),
        ([{"role": "user"}], "content must be text or a list of parts, not NoneType"),
        (says(None), "content must be text or a list of parts"),
        (says({"text": "hi"}), "content must be text or a list of parts, not dict"),
        (says(b"hi"), "not bytes"),
        (says([]), "list of parts"),
        (says(["hi"]), "parts that each have a type"),
        (says([{"text": "hi"}]), "parts that each have a type"),
        (says([{"type": "text", "text": b"hi"}]), "must be text"),
        ([{"role": "user", "content": "hi", "when": {1, 2}}], "cannot be written as JSON"),
        (says("half a \ud83d"), "cannot be written as JSON"),
    ],
)
def test_a_bad_conversation_is_named_by_its_position(
    client: BatchClient, ledger: Redis, messages: Any, reason: str
) -> None:
    with pytest.raises(InvalidRequestError, match=reason) as caught:
        client.enqueue(MODEL, User, [says(), messages])

    assert (caught.value.row, keys_left(ledger)) == (1, [])


def test_content_that_cannot_be_written_is_not_quoted(client: BatchClient) -> None:
    class Diary:
        def __repr__(self) -> str:
            return "dear diary"

    with pytest.raises(InvalidRequestError) as caught:
        client.enqueue(MODEL, User, [says([{"type": "text", "text": Diary()}])])

    assert "dear" not in str(caught.value)


@pytest.mark.parametrize(
    "messages",
    [
        says([{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "data:,"}}]),
        [{"role": "developer", "content": "be brief"}, *says("line\nline\u2028line")],
        (*says(),),
        [*says(), {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function"}]}],
    ],
    ids=["parts", "unusual breaks", "tuple", "tool calls"],
)
def test_unusual_but_valid_conversations_are_taken(client: BatchClient, messages: Any) -> None:
    assert client.enqueue(MODEL, User, [messages]).status() is JobStatus.QUEUED


@pytest.mark.parametrize("requests", [[], (), iter(())], ids=["list", "tuple", "iterator"])
def test_an_empty_list_is_refused(client: BatchClient, ledger: Redis, requests: Any) -> None:
    with pytest.raises(InvalidInputError, match="empty"):
        client.enqueue(MODEL, User, requests)

    assert keys_left(ledger) == []


@pytest.mark.parametrize("requests", [None, 5, "hi", b"hi", {"role": "user"}, says])
def test_what_is_no_collection_of_requests_is_refused(client: BatchClient, requests: Any) -> None:
    with pytest.raises(InvalidInputError, match="iterable of conversations"):
        client.enqueue(MODEL, User, requests)


@pytest.mark.parametrize("response_model", [dict, "User", User(name="Ann", age=1), list[User], 5])
def test_what_is_no_pydantic_model_is_refused(client: BatchClient, response_model: Any) -> None:
    with pytest.raises(SchemaError, match=r"response_model"):
        client.enqueue(MODEL, response_model, [says()])


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"metadata": "text"}, "metadata"),
        ({"metadata": {"at": object()}}, "metadata"),
        ({"metadata": {1: "one"}}, "metadata"),
        ({"metadata": {"long": "x" * 65_536}}, "at most 65536"),
        ({"options": {"grammar": {1}}}, "options must be JSON"),
        ({"options": ["seed"]}, "options must be a dict"),
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"idempotency_key": 5}, "idempotency_key"),
        ({"custom_ids": "ab"}, "custom_ids must be an iterable of strings"),
        ({"custom_ids": 5}, "custom_ids must be an iterable of strings"),
    ],
    ids=str,
)
def test_an_argument_out_of_its_range_is_refused(
    client: BatchClient, ledger: Redis, given: Any, reason: str
) -> None:
    with pytest.raises(InvalidInputError, match=reason):
        client.enqueue(MODEL, User, [says(), says()], **given)

    assert keys_left(ledger) == []


@pytest.mark.parametrize(
    "name", ["messages", "model", "n", "stream", "stream_options", "tools", "functions", "response_format"]
)
def test_an_option_that_the_job_decides_itself_is_refused(client: BatchClient, name: str) -> None:
    with pytest.raises(InvalidInputError, match=f"'{name}' cannot be set"):
        client.enqueue(MODEL, User, [says()], options={name: 1})
    with pytest.raises(InvalidRequestError, match=f"request 1: option '{name}' cannot be set"):
        client.enqueue(MODEL, User, [says(), BatchRequest(messages=says(), options={name: 1})])


@pytest.mark.parametrize(
    "request_",
    [
        BatchRequest(messages=says(), max_tokens=0),
        BatchRequest(messages=says(), temperature=3),
        BatchRequest(messages=says(), options={"seed": object()}),
        BatchRequest(messages=[]),
    ],
    ids=["max_tokens", "temperature", "options", "messages"],
)
def test_a_request_with_bad_options_is_named_by_its_position(
    client: BatchClient, ledger: Redis, request_: BatchRequest
) -> None:
    with pytest.raises(InvalidRequestError, match="request 1: "):
        client.enqueue(MODEL, User, [says(), request_])

    assert keys_left(ledger) == []


def test_a_request_larger_than_a_batch_file_is_refused(client: BatchClient, ledger: Redis) -> None:
    with pytest.raises(InvalidRequestError, match="request 1: has 200000030 bytes") as caught:
        client.enqueue(MODEL, None, [says(), says("x" * 200_000_000)])

    assert (caught.value.row, keys_left(ledger)) == (1, [])


@pytest.mark.parametrize(
    "error", [OSError("no such table"), KeyboardInterrupt(), asyncio.CancelledError(), TimeoutError()]
)
def test_requests_that_fail_midway_leave_nothing_in_redis(
    client: BatchClient, ledger: Redis, error: BaseException
) -> None:
    def rows() -> Iterator[Any]:
        for _ in range(2600):  # enough for chunks to have been written
            yield says()
        raise error

    with pytest.raises(type(error)):
        client.enqueue(MODEL, User, rows(), idempotency_key="nightly")

    assert keys_left(ledger) == []


def test_every_error_of_bad_input_is_a_value_error_and_one_of_ours(client: BatchClient) -> None:
    with pytest.raises(ValueError, match="empty") as caught:
        client.enqueue(MODEL, User, [])

    assert isinstance(caught.value, BatchlineError)


def test_a_text_job_asks_for_no_json(client: BatchClient, ledger: Redis) -> None:
    job = client.enqueue(MODEL, None, [says()])

    assert b"response_format" not in JobStore(ledger).meta(job.id).template


def test_requests_with_options_of_their_own_travel_with_them(client: BatchClient, ledger: Redis) -> None:
    requests: list[Any] = [
        says(),
        BatchRequest(messages=says(), max_tokens=7, temperature=0, options={"seed": 1}),
    ]

    job = client.enqueue("openai/o3-mini", None, requests, options={"seed": 9})

    plain, own = next(JobStore(ledger).rows(job.id, [0]))
    assert plain.startswith(b"[")
    assert own.startswith(b'{"max_completion_tokens":7,"seed":1,"messages":')


def test_metadata_comes_back_as_it_was_given(client: BatchClient, desk: WorkerDesk) -> None:
    metadata = {"run": 7, "tags": ["a", "ä"], "nested": {"none": None}}

    job = client.enqueue(MODEL, User, [says()], metadata=metadata)
    desk.complete(job.id, (0, ANN))

    assert client.job(job.id).info().metadata == metadata
