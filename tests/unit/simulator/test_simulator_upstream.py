"""The parts of the upstream side that need no server."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from batchline_simulator.responder import Answer, Question
from batchline_simulator.upstream import (
    Feeder,
    Reply,
    ReplyJournal,
    Request,
    UpstreamFailedError,
    answer_of,
    chat_request,
)
from batchline_simulator.upstream.http_upstream import HttpUpstream, _asked_wait_s

TEXT = {"type": "string"}


def question(**parts: Any) -> Question:
    given: dict[str, Any] = {
        "schema": None,
        "messages": (("system", "Be brief."), ("user", "Hi"), ("tool", "42")),
        "model": "m",
    }
    return Question("r", {}, b"", **given | parts)


def completion(**choice: Any) -> Reply:
    return Reply(200, json.dumps({"choices": [choice]}).encode())


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[ReplyJournal]:
    opened = ReplyJournal(tmp_path / "replies", 3)
    yield opened
    opened.close()


def reopened(tmp_path: Path, requests: int = 3) -> list[Reply | None]:
    """Read a journal as a later process would; None stands for what is to be asked again."""
    opened = ReplyJournal(tmp_path / "replies", requests)
    replies = [opened.get(number) if opened.settled(number) else None for number in range(requests)]
    opened.close()
    return replies


def test_replies_are_read_in_any_order_and_by_a_later_process(journal: ReplyJournal, tmp_path: Path) -> None:
    journal.add(2, Reply(200, b'"two"'))
    journal.add(0, Reply(429, b'"zero"'))

    assert [journal.get(0), journal.get(2)] == [Reply(429, b'"zero"'), Reply(200, b'"two"')]
    assert reopened(tmp_path) == [Reply(429, b'"zero"'), None, Reply(200, b'"two"')]


def test_skipped_request_is_settled_without_a_reply(journal: ReplyJournal) -> None:
    journal.skip(1)

    assert (journal.settled(1), journal.get(1)) == (True, None)


def test_failure_to_reach_the_server_is_asked_again_by_a_later_process(
    journal: ReplyJournal, tmp_path: Path
) -> None:
    journal.add(0, Reply(503, b"{}", answered=False))

    assert journal.get(0) == Reply(503, b"{}", answered=False)
    assert reopened(tmp_path) == [None, None, None]


@pytest.mark.parametrize("cut", [1, 9, 12])
def test_reply_that_a_kill_cut_short_is_asked_again(journal: ReplyJournal, tmp_path: Path, cut: int) -> None:
    journal.add(0, Reply(200, b'"zero"'))
    journal.add(1, Reply(200, b'"one"'))
    whole = (tmp_path / "replies").read_bytes()
    (tmp_path / "replies").write_bytes(whole[:-cut])

    assert reopened(tmp_path) == [Reply(200, b'"zero"'), None, None]
    later = ReplyJournal(tmp_path / "replies", 3)
    later.add(1, Reply(200, b'"again"'))
    later.close()
    assert reopened(tmp_path) == [Reply(200, b'"zero"'), Reply(200, b'"again"'), None]


class Slow:
    """An upstream server that answers when the test lets it."""

    def __init__(self, slots: int) -> None:
        self.slots = asyncio.Semaphore(slots)
        self.gates: dict[str, asyncio.Event] = {}
        self.begun: asyncio.Queue[str] = asyncio.Queue()

    async def ask(self, request: Request) -> Reply:
        self.gates[request.path] = asyncio.Event()
        self.begun.put_nowait(request.path)
        await self.gates[request.path].wait()
        return Reply(200, b"1")

    async def close(self) -> None:
        pass


def test_replies_are_ready_as_far_as_they_follow_each_other(journal: ReplyJournal, tmp_path: Path) -> None:
    source = tmp_path / "input"
    source.write_text("a\nb\nc\n")

    async def story() -> list[int]:
        upstream, stop, seen = Slow(slots=2), asyncio.Event(), []
        async with Feeder(
            upstream, journal, source, 3, lambda line: Request(line.decode().strip(), {})
        ) as feeder:
            assert [await upstream.begun.get(), await upstream.begun.get()] == ["a", "b"]
            upstream.gates["b"].set()
            assert await upstream.begun.get() == "c"
            upstream.gates["a"].set()
            seen.append(await feeder.ready(0, 3, stop))
            stop.set()
            seen.append(await feeder.ready(2, 1, stop))
        assert not upstream.slots.locked(), "what was under way when the block ended gave its place back"
        return seen

    assert asyncio.run(story()) == [2, 0]


def test_line_that_cannot_be_read_ends_the_waiting(journal: ReplyJournal, tmp_path: Path) -> None:
    source = tmp_path / "input"
    source.write_text("a\n")

    def broken(line: bytes) -> Request:
        raise LookupError(line)

    async def story() -> None:
        async with Feeder(Slow(slots=1), journal, source, 1, broken) as feeder:
            await feeder.ready(0, 1, asyncio.Event())

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(story())

    assert caught.group_contains(LookupError)


def test_other_providers_question_becomes_a_chat_completion() -> None:
    asked = chat_request(question(schema=TEXT))

    assert asked.path == "/v1/chat/completions"
    assert asked.body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "user", "content": "42"},
        ],
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": TEXT}},
    }


def test_plain_text_is_asked_for_without_a_format() -> None:
    assert "response_format" not in chat_request(question()).body


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (completion(message={"content": "yes"}, finish_reason="stop"), Answer("yes")),
        (completion(message={"content": "ye"}, finish_reason="length"), Answer("ye", finish="length")),
        (
            completion(message={"content": None}, finish_reason="content_filter"),
            Answer("", finish="content_filter"),
        ),
        (completion(message={"content": None, "refusal": "no"}), Answer("no", finish="refusal")),
        (completion(message={"content": "yes"}), Answer("yes")),
    ],
    ids=["stop", "length", "filter", "refusal", "no reason"],
)
def test_chat_completion_becomes_an_answer(reply: Reply, answer: Answer) -> None:
    assert answer_of(reply) == answer


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(400, b"{}"), "bad_request"),
        (Reply(429, b"{}"), "rate_limit"),
        (Reply(503, b"{}"), "server_error"),
        (Reply(200, b"{}"), "server_error"),
        (Reply(200, b"[]"), "server_error"),
        (Reply(200, b'{"choices": []}'), "server_error"),
        (Reply(200, b'{"choices": [{"message": null}]}'), "server_error"),
    ],
)
def test_what_is_no_answer_is_a_failure_of_a_kind(reply: Reply, kind: str) -> None:
    with pytest.raises(UpstreamFailedError) as caught:
        answer_of(reply)

    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        (None, None),
        ("2.5", 2.5),
        ("-1", 0.0),
        ("86400", 60.0),
        ("inf", 60.0),
        ("nan", None),
        ("soon", None),
        (format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True), 60.0),
        (format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True), 0.0),
    ],
)
def test_retry_after_is_honoured_within_bounds(header: str | None, wait_s: float | None) -> None:
    assert _asked_wait_s(header) == wait_s


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://h:1", "http://h:1/v1/embeddings"),
        ("http://h:1/", "http://h:1/v1/embeddings"),
        ("http://h:1/v1", "http://h:1/v1/embeddings"),
        ("http://h:1/openai/v1/", "http://h:1/openai/v1/embeddings"),
        ("http://h:1/paas/v4", "http://h:1/paas/v4/embeddings"),
        ("http://h:1/v1beta", "http://h:1/v1beta/embeddings"),
    ],
)
def test_url_has_one_version(url: str, asked: str) -> None:
    upstream = HttpUpstream(url, parallel=1, timeout_s=1, attempts=1, model=None, key=None)

    assert upstream._url("/v1/embeddings") == asked
