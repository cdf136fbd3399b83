"""`prompt_cache` as it is asked for at enqueue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from batchline import BatchRequest, InvalidInputError
from batchline_shared.ledger import JobStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

    from batchline import BatchClient, Job
    from batchline.prompt_cache import PromptCache

MODEL = "anthropic/claude-sonnet-5-5"
LONG = "Be brief. " * 500


def said(text: str, system: str = LONG) -> list[dict[str, Any]]:
    return [{"role": "system", "content": system}, {"role": "user", "content": text}]


def stored(ledger: Redis, job: Job[Any]) -> list[bytes]:
    store = JobStore(ledger)
    return [row for rows in store.rows(job.id, range(store.meta(job.id).chunks)) for row in rows]


@pytest.mark.parametrize("ttl", ["5m", "1h"])
def test_what_requests_share_is_marked_for_as_long_as_asked(
    client: BatchClient, ledger: Redis, ttl: PromptCache
) -> None:
    job = client.enqueue(MODEL, None, [said("a"), said("b"), said("c", "other")], prompt_cache=ttl)
    mark = b'"cache_control":{"type":"ephemeral","ttl":"%b"}' % ttl.encode()

    assert [row.count(mark) for row in stored(ledger, job)] == [1, 1, 0]


def test_requests_with_options_of_their_own_are_marked_too(client: BatchClient, ledger: Redis) -> None:
    requests = [BatchRequest(messages=said(text), max_tokens=7) for text in "ab"]
    job = client.enqueue(MODEL, None, requests, prompt_cache="1h")
    rows = [orjson.loads(row) for row in stored(ledger, job)]

    assert [row["system"][0]["cache_control"]["ttl"] for row in rows] == ["1h", "1h"]
    assert requests[0].messages == said("a")


def test_requests_are_streamed_and_not_held(client: BatchClient) -> None:
    drawn: list[int] = []
    seen: list[int] = []

    def requests() -> Iterator[Any]:
        for number in range(2000):
            drawn.append(number)
            if number == 1000:
                seen.extend(int(client.connection.jobs.staged(name.decode()) or 0) for name in staging())
            yield said(str(number))

    def staging() -> list[bytes]:
        found: list[bytes] = client.connection.jobs._client.zrange("batchline:jobs", 0, -1)
        return found

    client.enqueue(MODEL, None, requests(), prompt_cache="1h")

    assert len(drawn) == 2000
    assert seen[0] > 0, "rows are written before the last is drawn"


def test_nothing_is_marked_unless_it_is_asked_for(client: BatchClient, ledger: Redis) -> None:
    job = client.enqueue(MODEL, None, [said("a"), said("b")])

    assert b"cache_control" not in b"".join(stored(ledger, job))


def test_marks_hinder_no_deduplication(client: BatchClient) -> None:
    job = client.enqueue(MODEL, None, [said("a"), said("b"), said("a")], prompt_cache="1h", deduplicate=True)

    assert job.info().duplicates == 1


@pytest.mark.parametrize(
    "model", ["openai/gpt-4.1-mini", "google/gemini-2.5-flash", "gemini/gemini-2.5-flash"]
)
def test_a_provider_that_caches_by_itself_is_not_asked_to(client: BatchClient, model: str) -> None:
    with pytest.raises(InvalidInputError, match="by itself"):
        client.enqueue(model, None, [said("a")], prompt_cache="1h")


def test_another_time_is_refused(client: BatchClient) -> None:
    with pytest.raises(InvalidInputError, match="5m, 1h"):
        client.enqueue(MODEL, None, [said("a")], prompt_cache="2h")  # type: ignore[call-overload]


def test_what_is_no_collection_is_refused_as_without(client: BatchClient) -> None:
    with pytest.raises(InvalidInputError, match="iterable of conversations"):
        client.enqueue(MODEL, None, "text", prompt_cache="1h")  # type: ignore[arg-type]
