"""Tests of the OpenAI transport against servers that are only like OpenAI."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from batchline_shared.errors import ProviderRejectedError, ProviderUnavailableError
from batchline_worker.providers.base import BatchPhase, RemoteBatch, Search, Submission

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchline_worker.providers.openai import OpenAIProvider
    from unit.worker.providers.conftest import ScriptedServer


def batch(number: int, **fields: Any) -> dict[str, Any]:
    return {"object": "batch", "id": f"b{number}", "status": "in_progress", "created_at": number} | fields


def search(since_s: float = 0.0) -> Search:
    return Search("s", "f", 1, since_s=since_s, until_s=9e9)


def finished(*files: str) -> RemoteBatch:
    return RemoteBatch("b1", "completed", BatchPhase.COMPLETED, result_files=files)


def paths(server: ScriptedServer) -> list[str]:
    return [seen.path.partition("?")[0] for seen in server.seen]


def test_files_and_batches_may_be_numbered(
    server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [reply({"id": 7}), reply(batch(1, id=12, input_file_id=7))]

    assert openai.upload(io.BytesIO(b"{}\n"), name="s") == "7"
    polled = openai.poll("12")
    assert (polled.id, polled.input_file_id) == ("12", "7")


def test_a_server_may_take_files_elsewhere_and_wrap_the_batch_that_it_made(
    server: ScriptedServer, reply: Any, made: Callable[..., OpenAIProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOGETHER_TEST_KEY", "planted-key")
    together = made(
        name="openai@together",
        api_key_env="TOGETHER_TEST_KEY",
        base_url=server.base_url,
        upload_path="/files/upload",
        upload_purpose="batch-api",
    )
    job = {"id": "7", "status": "VALIDATING", "created_at": "2026-01-01T00:00:00Z", "input_file_id": "file-1"}
    server.replies = [reply({"id": "file-1"}), reply({"job": job, "warning": ""}, status=201)]

    file_id = together.upload(io.BytesIO(b'{"a":1}\n'), name="s")
    batch = together.create(Submission("s", "j", "/v1/chat/completions", "m", 1, file_id=file_id))

    uploaded, created = server.seen
    assert (uploaded.path, created.path) == ("/v1/files/upload", "/v1/batches")
    for field, value in (("purpose", b"batch-api"), ("file_name", b"s.jsonl")):
        assert b'name="%b"\r\n\r\n%b\r\n' % (field.encode(), value) in uploaded.body
    assert b'filename="s.jsonl"' in uploaded.body
    assert (batch.id, batch.phase, batch.input_file_id) == ("7", BatchPhase.VALIDATING, "file-1")


def test_another_account_does_not_bear_the_usual_ones_organization(
    server: ScriptedServer, reply: Any, made: Callable[..., OpenAIProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "planted")
    server.replies = [reply(batch(1))]

    for name in ("openai", "openai@second"):
        made(name=name, base_url=server.base_url).poll("b1")

    usual, second = (seen.headers for seen in server.seen)
    assert (usual["openai-organization"], usual["openai-project"]) == ("planted", "planted")
    assert not {"openai-organization", "openai-project"} & set(second)


@pytest.mark.parametrize("status", [404, 405, 422, 501])
def test_without_a_list_batches_are_polled_singly_and_nothing_is_taken_for_absent(
    status: int, server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    listed = 3 if status == 501 else 1  # a server error may pass, so it is tried again
    server.replies = [*[reply(status=status)] * listed, *map(reply, (batch(1), batch(2), batch(3)))]

    assert set(openai.poll_many(["b1", "b2", "b3"])) == {"b1", "b2", "b3"}
    server.replies = [reply(status=status)]
    with pytest.raises(ProviderUnavailableError):
        openai.find(search())


def test_a_list_that_cannot_be_read_does_not_keep_batches_from_being_polled(
    server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    unreadable = {"data": [batch(1), {"id": "x"}]}
    server.replies = [*[reply(unreadable)] * 3, *map(reply, (batch(1), batch(2), batch(3)))]

    assert set(openai.poll_many(["b1", "b2", "b3"])) == {"b1", "b2", "b3"}


def test_a_list_with_the_oldest_first_is_searched_to_its_end(
    server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    pages = [
        {"data": [batch(1), batch(2)], "has_more": True},
        {"data": [batch(9, input_file_id="f")], "has_more": False},
    ]
    server.replies = [reply(one) for one in pages]

    assert [found.id for found in openai.find(search(since_s=5))] == ["b9"]


def test_batches_alone_are_a_list_too(server: ScriptedServer, reply: Any, openai: OpenAIProvider) -> None:
    server.replies = [reply([batch(2, input_file_id="another"), batch(1, input_file_id="f")]), reply([])]

    assert [found.id for found in openai.find(search())] == ["b1"]


def test_a_list_that_gives_the_same_page_again_proves_nothing(
    server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [reply({"data": [batch(2), batch(1)]})]

    with pytest.raises(ProviderUnavailableError):
        openai.find(search())


def test_a_batch_whose_mark_was_dropped_is_found_by_its_file(
    server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [reply({"data": [batch(2, metadata=None, input_file_id="f")], "has_more": False})]

    assert [found.id for found in openai.find(search())] == ["b2"]


@pytest.mark.parametrize("status", [400, 404, 409, 422, 500])
def test_a_batch_that_has_ended_is_returned_by_cancel_whatever_the_refusal_is_called(
    status: int, server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    refused = 3 if status == 500 else 1
    server.replies = [*[reply(status=status)] * refused, reply(batch(1, status="COMPLETED"))]

    assert openai.cancel("b1").phase is BatchPhase.COMPLETED


@pytest.mark.parametrize("status", [400, 405])
def test_a_refused_cancel_of_a_running_batch_is_a_refusal(
    status: int, server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [reply(status=status), reply(batch(1))]

    with pytest.raises(ProviderRejectedError) as raised:
        openai.cancel("b1")

    assert raised.value.status_code == status


def test_an_empty_error_file_beside_results_is_fine(
    server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [reply(b'{"a":1}\n'), reply(b"")]

    assert list(openai.lines(finished("out", "err"))) == [b'{"a":1}']


def test_results_behind_a_link_to_the_same_host_are_read_with_the_accounts_key(
    server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [reply(b'{"a":1}\n{"b":2}\n')]

    for link in ("/results/7?part=1", f"{server.base_url}/results/7?part=1"):
        assert list(openai.lines(finished(link))) == [b'{"a":1}', b'{"b":2}']

    assert [seen.path for seen in server.seen] == ["/results/7?part=1", "/v1/results/7?part=1"]
    assert {seen.headers["authorization"] for seen in server.seen} == {"Bearer sk-planted-key"}


@pytest.mark.parametrize(
    "answer",
    [
        {"body": b'{}\n{"a":', "framed": False},
        {"body": b"{}\n[]\n", "cut_bytes": 10, "headers": {"connection": "close"}},
        {"status": 404},
        {"status": 502},
        {"drop": True},
    ],
    ids=str,
)
def test_a_link_whose_content_breaks_off_can_be_collected_again(
    answer: dict[str, Any], server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [reply(**answer)]

    with pytest.raises(ProviderUnavailableError):
        list(openai.lines(finished("/results/7")))


def test_results_on_another_host_are_refused_and_nothing_is_sent_there(
    server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [reply(b"{}\n")]

    with pytest.raises(ProviderRejectedError, match="another host"):
        list(openai.lines(finished(f"http://localhost:{server.server_port}/v1/files/f/content")))

    assert server.seen == []


def test_files_named_by_a_link_are_deleted_by_their_id_and_others_are_left(
    server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    ended = batch(1, status="completed", output_file_id="/v1/files/out/content", error_file_url="/results/7")
    server.replies = [reply(ended), reply({"deleted": True})]

    openai.clean_up(file_id="in", batch_id="b1")

    assert paths(server) == ["/v1/batches/b1", "/v1/files/out", "/v1/files/in"]
