"""Tests of the Anthropic transport against replies that no simulator gives."""

from __future__ import annotations

import io
import tempfile
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from batchline_shared.errors import (
    BatchlineError,
    ProviderAuthError,
    ProviderBusyError,
    ProviderRejectedError,
    ProviderUnavailableError,
)
from batchline_worker.providers.anthropic import PAGE_SIZE, AnthropicProvider
from batchline_worker.providers.anthropic_client import API_VERSION, framed
from batchline_worker.providers.base import BatchPhase, RemoteBatch, Search, Submission
from sdk_connections import hang_up

if TYPE_CHECKING:
    from collections.abc import Iterator

    from unit.worker.providers.conftest import ScriptedServer

KEY = "sk-ant-planted-key"
LINES = b'{"custom_id":"a","params":{"x":"1\\n2"}}\n{"custom_id":"b","params":{}}\n'
SEARCH = Search("s", "", requests=3, since_s=100, until_s=200)


@pytest.fixture
def anthropic(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[AnthropicProvider]:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    provider = AnthropicProvider(base_url=f"http://127.0.0.1:{server.server_port}", retry_waits_s=(0.0, 0.0))
    yield provider
    hang_up(provider)


@pytest.fixture
def hasty(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[AnthropicProvider]:
    """One whose creations may not take long; a stall of the machine is enough to break one off."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    provider = AnthropicProvider(
        base_url=f"http://127.0.0.1:{server.server_port}", retry_waits_s=(0.0, 0.0), create_timeout_s=1
    )
    yield provider
    hang_up(provider)


def batch(number: int, *, requests: int = 3, **fields: Any) -> dict[str, Any]:
    """A batch that was created at `number` seconds."""
    counts = dict.fromkeys(("succeeded", "errored", "canceled", "expired"), 0) | {"processing": requests}
    return {
        "type": "message_batch",
        "id": f"b{number}",
        "processing_status": "in_progress",
        "request_counts": counts,
        "created_at": datetime.fromtimestamp(number, UTC).isoformat(),
    } | fields


def page(*batches: dict[str, Any], more: bool | None = False) -> dict[str, Any]:
    return {"data": list(batches)} | ({} if more is None else {"has_more": more})


def ended(**fields: Any) -> RemoteBatch:
    return RemoteBatch("b1", "ended", BatchPhase.COMPLETED, result_files=("b1",), **fields)


def submission(lines: Any = LINES) -> Submission:
    buffer = io.BytesIO(lines) if isinstance(lines, bytes) else lines
    return Submission("s", "job", "/v1/messages", "claude", requests=2, buffer=buffer)


def test_a_creation_sends_the_lines_as_one_body_with_its_length(
    server: ScriptedServer, reply: Any, anthropic: AnthropicProvider
) -> None:
    server.replies = [reply(batch(1))]
    sent = submission()
    assert sent.buffer is not None
    sent.buffer.seek(7)

    assert anthropic.create(sent).id == "b1"

    (seen,) = server.seen
    requests = [orjson.loads(line) for line in LINES.splitlines()]
    assert (seen.method, seen.path) == ("POST", "/v1/messages/batches")
    assert orjson.loads(seen.body) == {"requests": requests}
    assert seen.headers["content-length"] == str(len(seen.body))
    assert seen.headers["content-type"] == "application/json"


def test_every_call_names_the_version_that_still_takes_sampling_parameters(
    server: ScriptedServer, reply: Any, anthropic: AnthropicProvider
) -> None:
    server.replies = [reply(batch(1)), reply(batch(1)), reply(b'{"custom_id":"a"}')]

    anthropic.create(submission())
    anthropic.poll("b1")
    list(anthropic.lines(ended()))

    assert {seen.headers["anthropic-version"] for seen in server.seen} == {API_VERSION}
    assert {seen.headers["authorization"] for seen in server.seen} == {f"Bearer {KEY}"}


@pytest.mark.parametrize("size", [1, 64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 200_000])
def test_a_body_is_made_in_small_pieces_whatever_its_size(size: int) -> None:
    line = b'{"x":"%b"}\n' % (b"y" * size)
    with tempfile.SpooledTemporaryFile(max_size=1000) as spooled:
        spooled.write(line * 3)

        pieces, size_bytes = framed(spooled)  # type: ignore[arg-type]
        made = list(pieces)

    assert max(map(len, made)) <= 64 * 1024
    assert size_bytes == sum(map(len, made))
    assert orjson.loads(b"".join(made)) == {"requests": [orjson.loads(line)] * 3}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"status": 400}, ProviderRejectedError),
        ({"status": 401}, ProviderAuthError),
        ({"status": 402}, ProviderBusyError),
        ({"status": 409}, ProviderUnavailableError),
        ({"status": 413}, ProviderRejectedError),
        ({"status": 429, "headers": {"retry-after": "0"}}, ProviderBusyError),
        ({"status": 500, "headers": {"x-should-retry": "true"}}, ProviderUnavailableError),
        ({"status": 529, "headers": {"retry-after": "1"}}, ProviderUnavailableError),
        ({"drop": True}, ProviderUnavailableError),
        ({"body": b"<html>", "headers": {"content-type": "text/html"}}, ProviderUnavailableError),
        ({"body": {"type": "error"}}, ProviderUnavailableError),
        ({"body": batch(1), "cut_bytes": 10, "headers": {"connection": "close"}}, ProviderUnavailableError),
        ({"status": 307, "headers": {"location": "/elsewhere"}}, ProviderUnavailableError),
        ({"status": 303, "headers": {"location": "/elsewhere"}}, ProviderUnavailableError),
    ],
    ids=str,
)
def test_a_creation_sends_one_request_whatever_comes_back(
    answer: dict[str, Any],
    expected: type[BatchlineError],
    server: ScriptedServer,
    reply: Any,
    anthropic: AnthropicProvider,
) -> None:
    server.replies = [reply(**answer)]

    with pytest.raises(expected):
        anthropic.create(submission())

    assert len(server.seen) == 1


def test_a_creation_that_outlasts_its_time_sends_one_request(
    server: ScriptedServer, reply: Any, hasty: AnthropicProvider
) -> None:
    server.replies = [reply(batch(1), delay_s=30)]

    with pytest.raises(ProviderUnavailableError):
        hasty.create(submission())

    assert len(server.seen) == 1


class SlowBuffer(io.BytesIO):
    """Requests that come from a disk, or go into a network, more slowly than time allows."""

    def read(self, size: int | None = -1, /) -> bytes:
        time.sleep(0.7)
        return super().read(size)


def test_a_creation_whose_requests_take_too_long_to_send_is_broken_off_before_its_end(
    server: ScriptedServer, reply: Any, hasty: AnthropicProvider
) -> None:
    server.replies = [reply(batch(1))]
    line = b'{"x":"%b"}\n' % (b"y" * 100_000)

    with pytest.raises(ProviderBusyError, match="BATCHLINE_CREATE_TIMEOUT_S") as raised:
        hasty.create(submission(SlowBuffer(line * 3)))

    assert raised.value.__context__ is None
    assert not any(seen.body.endswith(b"]}") for seen in server.seen)


def test_a_creation_without_requests_and_an_upload_are_refused(anthropic: AnthropicProvider) -> None:
    with pytest.raises(ProviderRejectedError):
        anthropic.create(Submission("s", "job", "/v1/messages", "claude", requests=1))
    with pytest.raises(ProviderRejectedError):
        anthropic.upload(io.BytesIO(LINES), name="bl-s-0")


def test_a_refused_connection_is_busy_because_nothing_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)

    with pytest.raises(ProviderBusyError, match="nothing was sent"):
        AnthropicProvider(base_url="http://127.0.0.1:9").create(submission())


def test_a_missing_key_says_what_to_set_although_another_credential_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token")
    monkeypatch.delenv("RESEARCH_KEY", raising=False)

    with pytest.raises(ProviderAuthError, match="RESEARCH_KEY"):
        AnthropicProvider(api_key_env="RESEARCH_KEY").poll("b1")


def test_a_base_url_without_a_scheme_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)

    with pytest.raises(ProviderAuthError, match="base URL"):
        AnthropicProvider(base_url="api.example").poll("b1")


def test_a_search_knows_a_batch_by_its_time_and_its_requests(
    server: ScriptedServer, reply: Any, anthropic: AnthropicProvider
) -> None:
    ours = {"succeeded": 1, "errored": 1, "canceled": 0, "expired": 1, "processing": 0}
    listed = [batch(201), batch(200), batch(150, requests=4), batch(120, request_counts=ours), batch(99)]
    server.replies = [reply(page(*listed, more=True))]

    assert [found.id for found in anthropic.find(SEARCH)] == ["b120", "b200"]

    assert len(server.seen) == 1
    assert f"limit={PAGE_SIZE}" in server.seen[0].path


def test_a_search_reads_pages_until_one_is_old_enough(
    server: ScriptedServer, reply: Any, anthropic: AnthropicProvider
) -> None:
    server.replies = [
        reply(page(batch(300), batch(250), more=True)),
        reply(page(batch(180), batch(170, requests=9), more=True)),
        reply(page(batch(160), batch(50), more=True)),
    ]

    assert [found.id for found in anthropic.find(SEARCH)] == ["b160", "b180"]

    queries = [parse_qs(urlsplit(seen.path).query) for seen in server.seen]
    assert [query.get("after_id") for query in queries] == [None, ["b250"], ["b170"]]


@pytest.mark.parametrize(
    "last",
    [
        {"status": 500},
        {"body": page(more=True)},
        {"body": page(batch(190), more=True)},
        {"body": {"type": "list"}},
        {"body": page({"id": "b8"})},
        {"body": page(batch(150, created_at=None))},
        {"body": page(batch(150, request_counts=None))},
        {"body": b"<html>"},
    ],
    ids=str,
)
def test_a_search_that_cannot_be_complete_raises(
    last: dict[str, Any], server: ScriptedServer, reply: Any, anthropic: AnthropicProvider
) -> None:
    server.replies = [reply(page(batch(195), batch(190), more=True)), reply(**last)]

    with pytest.raises(ProviderUnavailableError):
        anthropic.find(SEARCH)


def test_a_batch_outside_of_the_time_may_lack_its_counts(
    server: ScriptedServer, reply: Any, anthropic: AnthropicProvider
) -> None:
    server.replies = [reply(page(batch(150), batch(10, request_counts=None)))]

    assert [found.id for found in anthropic.find(SEARCH)] == ["b150"]


def test_a_poll_is_made_again_while_its_outcome_is_unknown(
    server: ScriptedServer, reply: Any, anthropic: AnthropicProvider
) -> None:
    server.replies = [reply(status=529), reply(drop=True), reply(batch(1))]

    assert anthropic.poll("b1").id == "b1"


def test_a_poll_that_is_told_to_wait_leaves_the_waiting_to_its_caller(
    server: ScriptedServer, reply: Any, anthropic: AnthropicProvider
) -> None:
    server.replies = [reply(status=429, headers={"retry-after": "4000000"})]
    started = time.monotonic()

    with pytest.raises(ProviderBusyError) as raised:
        anthropic.poll("b1")

    assert raised.value.retry_after_s == 4_000_000
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("status", [400, 404, 409])
def test_cancelling_what_has_ended_returns_it_whatever_the_refusal(
    status: int, server: ScriptedServer, reply: Any, anthropic: AnthropicProvider
) -> None:
    server.replies = [reply(status=status), reply(batch(1, processing_status="ended"))]

    assert anthropic.cancel("b1").phase is BatchPhase.COMPLETED


def test_cancelling_what_runs_passes_the_refusal_on(
    server: ScriptedServer, reply: Any, anthropic: AnthropicProvider
) -> None:
    server.replies = [reply(status=400), reply(batch(1))]

    with pytest.raises(ProviderRejectedError):
        anthropic.cancel("b1")


def test_results_are_asked_for_at_our_own_address_and_not_where_a_reply_says(
    server: ScriptedServer, reply: Any, anthropic: AnthropicProvider
) -> None:
    elsewhere = "http://127.0.0.1:9/stolen"
    server.replies = [
        reply(batch(1, processing_status="ended", results_url=elsewhere)),
        reply(b'{"custom_id":"a"}\n{"custom_id":"b"}'),
    ]

    lines = list(anthropic.lines(anthropic.poll("b1")))

    assert lines == [b'{"custom_id":"a"}', b'{"custom_id":"b"}']
    assert server.seen[1].path == "/v1/messages/batches/b1/results"


def test_an_id_from_a_reply_cannot_lead_to_another_path(
    server: ScriptedServer, reply: Any, anthropic: AnthropicProvider
) -> None:
    server.replies = [reply(b'{"custom_id":"a"}')]

    list(anthropic.lines(RemoteBatch("x", "ended", BatchPhase.COMPLETED, result_files=("../../x?y=",))))

    assert server.seen[0].path == "/v1/messages/batches/..%2F..%2Fx%3Fy%3D/results"


def test_a_redirect_to_another_host_goes_without_the_key(
    server: ScriptedServer, reply: Any, anthropic: AnthropicProvider
) -> None:
    other = f"http://localhost:{server.server_port}/x"
    server.replies = [reply(status=302, headers={"location": other}), reply(b'{"custom_id":"a"}')]

    list(anthropic.lines(ended()))

    assert server.seen[1].path == "/x"
    assert KEY not in str(server.seen[1].headers)


def test_results_that_are_refused_may_come_yet(
    server: ScriptedServer, reply: Any, anthropic: AnthropicProvider
) -> None:
    error = {"type": "not_found_error", "message": "The results have been archived."}
    server.replies = [reply({"type": "error", "error": error}, status=404)]

    with pytest.raises(ProviderUnavailableError, match="archived") as raised:
        list(anthropic.lines(ended()))

    assert raised.value.status_code == 404


def test_results_that_are_empty_although_requests_have_ended_are_no_telling(
    server: ScriptedServer, reply: Any, anthropic: AnthropicProvider
) -> None:
    server.replies = [reply(b"")]

    with pytest.raises(ProviderUnavailableError, match="empty"):
        list(anthropic.lines(ended(completed=1)))


def test_a_batch_that_runs_has_no_results_and_asks_for_none(
    server: ScriptedServer, reply: Any, anthropic: AnthropicProvider
) -> None:
    server.replies = [reply(batch(1))]

    assert list(anthropic.lines(anthropic.poll("b1"))) == []
    assert len(server.seen) == 1


def test_cleaning_up_deletes_the_batch_and_takes_a_404_for_done(
    server: ScriptedServer, reply: Any, anthropic: AnthropicProvider
) -> None:
    server.replies = [reply(status=500), reply(status=404)]

    anthropic.clean_up(file_id="", batch_id="b1")

    assert [(seen.method, seen.path) for seen in server.seen] == [("DELETE", "/v1/messages/batches/b1")] * 2


def test_cleaning_up_what_still_runs_says_so(
    server: ScriptedServer, reply: Any, anthropic: AnthropicProvider
) -> None:
    server.replies = [reply(status=400)]

    with pytest.raises(ProviderRejectedError):
        anthropic.clean_up(file_id="", batch_id="b1")
