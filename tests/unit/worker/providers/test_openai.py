"""Tests of the OpenAI transport against replies that no simulator gives."""

from __future__ import annotations

import io
import tempfile
from typing import TYPE_CHECKING, Any

import pytest

from batchline_shared.errors import ProviderBusyError, ProviderRejectedError, ProviderUnavailableError
from batchline_worker.providers.base import BatchPhase, RemoteBatch, Search

if TYPE_CHECKING:
    from batchline_worker.providers.openai import OpenAIProvider
    from unit.worker.providers.conftest import ScriptedServer


def batch(number: int, **fields: Any) -> dict[str, Any]:
    known = {"object": "batch", "id": f"b{number}", "status": "in_progress", "created_at": number}
    return {**known, "input_file_id": "another", **fields}


def page(*batches: dict[str, Any], more: bool | None = False) -> dict[str, Any]:
    return {"object": "list", "data": list(batches)} | ({} if more is None else {"has_more": more})


def finished(*files: str, completed: int = 0) -> RemoteBatch:
    return RemoteBatch("b1", "completed", BatchPhase.COMPLETED, result_files=files, completed=completed)


def test_an_upload_sends_the_file_whole_under_a_jsonl_name(
    server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [reply({"id": "file-1"})]

    assert openai.upload(io.BytesIO(b'{"a":1}\n'), name="shard-7") == "file-1"

    sent = server.seen[0].body
    assert b'filename="shard-7.jsonl"' in sent
    assert b"Content-Type: application/jsonl" in sent
    assert b'\r\n\r\n{"a":1}\n\r\n' in sent


def test_an_upload_takes_what_is_still_in_the_write_buffer_of_a_spooled_file(
    server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [reply({"id": "file-1"})]
    with tempfile.SpooledTemporaryFile(max_size=10) as spooled:
        spooled.write(b"x" * 20)
        spooled.write(b"last line\n")

        openai.upload(spooled, name="s")  # type: ignore[arg-type]

    assert b"x" * 20 + b"last line\n" in server.seen[0].body


def test_an_upload_in_memory_is_not_written_to_disk(
    server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [reply({"id": "file-1"})]
    with tempfile.SpooledTemporaryFile(max_size=1000) as spooled:
        spooled.write(b"{}\n")
        openai.upload(spooled, name="s")  # type: ignore[arg-type]

        assert not spooled._rolled  # type: ignore[attr-defined]


@pytest.mark.parametrize("body", [{}, [], {"id": ""}, {"id": None}])
def test_an_upload_without_a_file_id_is_of_unknown_outcome(
    body: Any, server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [reply(body)]

    with pytest.raises(ProviderUnavailableError):
        openai.upload(io.BytesIO(b"{}\n"), name="s")

    assert len(server.seen) == 1


def test_a_poll_is_made_again_while_its_outcome_is_unknown(
    server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [reply(status=500), reply(drop=True), reply(batch(1))]

    assert openai.poll("b1").id == "b1"


def test_a_poll_gives_up_after_three_times(
    server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [reply(status=503)]

    with pytest.raises(ProviderUnavailableError):
        openai.poll("b1")

    assert len(server.seen) == 3


def test_a_poll_that_is_told_to_wait_leaves_the_waiting_to_its_caller(
    server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [reply(status=429, headers={"retry-after": "60"})]

    with pytest.raises(ProviderBusyError) as raised:
        openai.poll("b1")

    assert raised.value.retry_after_s == 60
    assert len(server.seen) == 1


def test_a_search_stops_at_the_first_page_that_reaches_back_far_enough(
    server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [
        reply(page(batch(9), batch(8, input_file_id="f"), more=True)),
        reply(page(batch(7, metadata={"batchline_shard": "s"}), batch(4), more=True)),
    ]

    found = openai.find(Search("s", "f", 1, since_s=5, until_s=9e9))

    assert [remote.id for remote in found] == ["b7", "b8"]
    assert len(server.seen) == 2
    assert "after=b8" in server.seen[1].path


@pytest.mark.parametrize(
    "last",
    [
        {"status": 500},
        {"body": page(more=True)},
        {"body": page(batch(9), more=True)},
        {"body": {"object": "list"}},
        {"body": page({"id": "b8"})},
        {"body": b"<html>"},
    ],
    ids=str,
)
def test_a_search_that_cannot_be_complete_raises(
    last: dict[str, Any], server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [reply(page(batch(9), more=True)), reply(**last)]

    with pytest.raises(ProviderUnavailableError):
        openai.find(Search("s", "f", 1, since_s=0, until_s=9e9))


def test_a_search_goes_on_to_an_empty_page_of_a_server_that_does_not_say_whether_there_is_more(
    server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    pages = [page(batch(3), batch(2), more=None), page(batch(1, input_file_id="f"), more=None)]
    server.replies = [reply(one) for one in (*pages, page(more=None))]

    assert [remote.id for remote in openai.find(Search("s", "f", 1, since_s=0, until_s=9e9))] == ["b1"]


def test_an_empty_file_id_matches_no_batch(
    server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [reply(page(batch(1)))]

    assert openai.find(Search("s", "", 1, since_s=0, until_s=9e9)) == []


def test_a_batch_that_shows_neither_mark_nor_file_could_be_ours_so_nothing_is_proven(
    server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [reply(page(batch(7, input_file_id=None)))]

    with pytest.raises(ProviderUnavailableError, match="marks or files"):
        openai.find(Search("s", "f", 1, since_s=5, until_s=9))
    assert openai.find(Search("s", "f", 1, since_s=8, until_s=9)) == []


def test_many_batches_are_read_from_a_page_and_the_rest_singly(
    server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [reply(page(batch(3), batch(2), more=True)), reply(batch(1)), reply(status=404)]

    assert set(openai.poll_many(["b1", "b2", "b3", "gone"])) == {"b1", "b2", "b3"}
    assert [seen.path.partition("?")[0] for seen in server.seen] == [
        "/v1/batches",
        "/v1/batches/b1",
        "/v1/batches/gone",
    ]


def test_what_was_read_before_an_error_is_returned(
    server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [reply(page(batch(3), batch(2))), reply(status=429)]

    assert set(openai.poll_many(["b1", "b2", "b3"])) == {"b2", "b3"}


def test_an_error_before_anything_was_read_is_raised(
    server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [reply(status=429)]

    with pytest.raises(ProviderBusyError):
        openai.poll_many(["b1", "b2", "b3"])


def test_a_batch_that_has_ended_is_returned_by_cancel_as_it_is(
    server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [reply(status=409), reply(batch(1, status="completed"))]

    assert openai.cancel("b1").phase is BatchPhase.COMPLETED
    assert [seen.method for seen in server.seen] == ["POST", "GET"]


def test_deleting_a_file_that_is_gone_is_done(
    server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [reply(status=404)]

    openai.clean_up(file_id="f", batch_id="")


def test_deleting_a_file_may_be_refused(server: ScriptedServer, reply: Any, openai: OpenAIProvider) -> None:
    server.replies = [reply(status=400)]

    with pytest.raises(ProviderRejectedError):
        openai.clean_up(file_id="f", batch_id="")


@pytest.mark.parametrize(
    "answer",
    [
        {"body": b'{}\n{"a":', "framed": False},
        {"body": b"{}\n[]\n", "cut_bytes": 10, "headers": {"connection": "close"}},
        {"body": b"{}\n<html></html>\n"},
        {"status": 404},
        {"status": 502},
        {"drop": True},
    ],
    ids=str,
)
def test_content_that_breaks_off_can_be_collected_again(
    answer: dict[str, Any], server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [reply(**answer)]

    with pytest.raises(ProviderUnavailableError):
        list(openai.lines(finished("f")))


def test_results_that_were_counted_and_are_empty_can_be_collected_again(
    server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [reply(b"")]

    assert list(openai.lines(finished("f"))) == []
    with pytest.raises(ProviderUnavailableError, match="empty"):
        list(openai.lines(finished("f", completed=2)))


def test_a_reader_that_stops_early_leaves_no_connection_open(
    server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [reply(b"{}\n" * 300_000)]
    lines = openai.lines(finished("f"))
    next(lines)
    del lines
    server.replies = [reply(batch(1))]

    assert openai.poll("b1").id == "b1"
