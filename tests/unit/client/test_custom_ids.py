"""Custom ids: what may be one, and that each is borne once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from batchline import (
    BatchClient,
    BatchRequest,
    DuplicateCustomIdError,
    InvalidInputError,
    InvalidRequestError,
)
from batchline.custom_ids import UniqueIds
from unit.client.sketches import ANN, MODEL, User, keys_left, says

if TYPE_CHECKING:
    from redis import Redis

    from unit.client.worker_desk import WorkerDesk


@pytest.mark.parametrize(
    "custom_id",
    [
        "a",
        "x" * 512,
        "ä" * 256,
        "line\nbreak",
        '"quoted"',
        "emoji 🦜 and\u2028breaks",
        " ",
        "request-0",
        "\x00\x7f",
    ],
)
def test_any_text_up_to_512_bytes_is_an_id_and_comes_back(
    client: BatchClient, desk: WorkerDesk, custom_id: str
) -> None:
    job = client.enqueue(MODEL, User, [says()], custom_ids=[custom_id])
    desk.complete(job.id, (0, ANN))

    assert job.results()[0].custom_id == custom_id


@pytest.mark.parametrize("custom_id", ["", "x" * 513, "ä" * 257, "\ud83d", None, 5, b"a"], ids=ascii)
def test_what_is_no_such_text_is_refused(client: BatchClient, ledger: Redis, custom_id: Any) -> None:
    with pytest.raises(InvalidRequestError, match="request 1: custom_id") as caught:
        client.enqueue(MODEL, User, [says(), says()], custom_ids=["first", custom_id])

    assert (caught.value.row, keys_left(ledger)) == (1, [])


def test_ids_that_are_all_none_are_refused_rather_than_replaced(client: BatchClient) -> None:
    with pytest.raises(InvalidRequestError, match="request 0: custom_id"):
        client.enqueue(MODEL, User, [says()], custom_ids=[None])  # type: ignore[list-item]  # the point


def test_two_requests_with_one_id_are_both_named(client: BatchClient, ledger: Redis) -> None:
    with pytest.raises(DuplicateCustomIdError, match="'b' is borne by request 1 and by request 3"):
        client.enqueue(MODEL, User, [says()] * 4, custom_ids=["a", "b", "c", "b"])

    assert keys_left(ledger) == []


@pytest.mark.parametrize(("ids", "reason"), [(["a"], "has 1 entries"), (["a", "b", "c"], "more entries")])
def test_ids_and_requests_must_be_equally_many(
    client: BatchClient, ledger: Redis, ids: list[str], reason: str
) -> None:
    with pytest.raises(InvalidInputError, match=reason):
        client.enqueue(MODEL, User, [says(), says()], custom_ids=ids)

    assert keys_left(ledger) == []


@pytest.mark.parametrize("second", [says(), BatchRequest(messages=says())], ids=["list", "request"])
def test_either_every_request_has_an_id_or_none_has(client: BatchClient, second: Any) -> None:
    first = BatchRequest(messages=says(), custom_id="a")

    with pytest.raises(InvalidRequestError, match="request 1: has no custom_id, unlike"):
        client.enqueue(MODEL, User, [first, second])
    with pytest.raises(InvalidRequestError, match="request 1: has a custom_id, unlike"):
        client.enqueue(MODEL, User, [second, first])


def test_ids_in_two_places_are_refused(client: BatchClient) -> None:
    with pytest.raises(InvalidRequestError, match="of its own"):
        client.enqueue(MODEL, User, [BatchRequest(messages=says(), custom_id="a")], custom_ids=["b"])


def test_ids_of_requests_come_back(client: BatchClient, desk: WorkerDesk) -> None:
    requests = [BatchRequest(messages=says(), custom_id=name) for name in ("x", "y")]

    job = client.enqueue(MODEL, User, requests)
    desk.complete(job.id, (1, ANN), (0, ANN))

    assert [outcome.custom_id for outcome in job.results()] == ["x", "y"]


def test_a_duplicate_far_away_is_found_on_disk() -> None:
    unique = UniqueIds(in_memory=100)
    for row in range(1000):
        unique.add(f"id-{row}", row)
    unique.add("id-3", 1000)  # its twin is on disk by now

    with pytest.raises(DuplicateCustomIdError, match="request 3 and by request 1000"):
        unique.finish()
    unique.close()


def test_many_different_ids_pass_through_the_disk() -> None:
    unique = UniqueIds(in_memory=100)
    for row in range(1050):
        unique.add(f"id-{row}", row)

    unique.finish()
    unique.close()
