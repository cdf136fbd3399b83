"""Tests of the OpenAI SDK's client as we build it."""

from __future__ import annotations

import subprocess
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from batchline_shared.errors import (
    BatchlineError,
    ProviderAuthError,
    ProviderBusyError,
    ProviderRejectedError,
    ProviderUnavailableError,
)
from batchline_worker.providers.base import Submission
from batchline_worker.providers.openai import OpenAIProvider

if TYPE_CHECKING:
    from collections.abc import Callable

    from unit.worker.providers.conftest import ScriptedServer

KEY = "sk-planted-key"
SUBMISSION = Submission("s", "job_s", "/v1/responses", "gpt", requests=1, file_id="f")
BATCH = {"object": "batch", "id": "batch_1", "status": "completed"}


def test_importing_the_providers_imports_no_sdk() -> None:
    script = (
        "import sys; from batchline_shared.dialects.registry import PROVIDERS; "
        "from batchline_shared.settings import Settings; "
        "from batchline_worker.providers import make_provider; "
        "[make_provider(name, Settings.load()) for name in PROVIDERS]; "
        "print(sorted({'openai', 'httpx2', 'anthropic', 'google.genai'} & set(sys.modules)))"
    )

    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)

    assert printed.stdout.strip() == "[]"


def test_a_missing_key_is_an_auth_error_that_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_ADMIN_KEY", raising=False)

    with pytest.raises(ProviderAuthError, match="OPENAI_API_KEY"):
        OpenAIProvider().poll("batch_1")


@pytest.mark.parametrize("key", ["sk-planted-key\n", "sk planted", "sk-plänted", ""])
def test_a_key_that_cannot_be_sent_is_an_auth_error_and_is_not_shown(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)

    with pytest.raises(ProviderAuthError) as raised:
        OpenAIProvider(base_url="http://127.0.0.1:9/v1").poll("batch_1")

    assert "pl" not in "".join(traceback.format_exception(raised.value)).split("ProviderAuthError")[-1]


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.mark.usefixtures("key")
def test_a_base_url_without_a_scheme_is_a_configuration_error() -> None:
    with pytest.raises(ProviderAuthError, match="base URL"):
        OpenAIProvider(base_url="api.example/v1").poll("batch_1")


def test_the_key_and_the_address_come_from_the_environment(
    server: ScriptedServer,
    reply: Any,
    made: Callable[..., OpenAIProvider],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.replies = [reply(BATCH)]
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)

    assert made().poll("batch_1").id == "batch_1"
    assert server.seen[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.usefixtures("key")
def test_a_refused_connection_is_busy_because_nothing_was_sent() -> None:
    provider = OpenAIProvider(base_url="http://127.0.0.1:9/v1")

    with pytest.raises(ProviderBusyError, match="nothing was sent"):
        provider.create(SUBMISSION)


@pytest.mark.usefixtures("key")
def test_a_name_that_cannot_be_resolved_is_busy_because_nothing_was_sent() -> None:
    provider = OpenAIProvider(base_url="http://batchline.invalid/v1")

    with pytest.raises(ProviderBusyError, match="nothing was sent"):
        provider.create(SUBMISSION)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"status": 400}, ProviderRejectedError),
        ({"status": 401}, ProviderAuthError),
        ({"status": 409}, ProviderUnavailableError),
        ({"status": 429, "headers": {"retry-after": "0"}}, ProviderBusyError),
        ({"status": 500, "headers": {"x-should-retry": "true"}}, ProviderUnavailableError),
        ({"status": 503, "headers": {"retry-after": "1"}}, ProviderUnavailableError),
        ({"drop": True}, ProviderUnavailableError),
        ({"body": b"<html>", "headers": {"content-type": "text/html"}}, ProviderUnavailableError),
        ({"body": b"{"}, ProviderUnavailableError),
        ({"body": {"object": "list", "data": []}}, ProviderUnavailableError),
        ({"body": BATCH, "cut_bytes": 10, "headers": {"connection": "close"}}, ProviderUnavailableError),
    ],
    ids=str,
)
def test_a_create_sends_one_request_whatever_comes_back(
    answer: dict[str, Any],
    expected: type[BatchlineError],
    server: ScriptedServer,
    reply: Any,
    openai: OpenAIProvider,
) -> None:
    server.replies = [reply(**answer)]

    with pytest.raises(expected):
        openai.create(SUBMISSION)

    assert len(server.seen) == 1


def test_a_create_that_outlasts_its_time_is_of_unknown_outcome_and_sent_once(
    server: ScriptedServer, reply: Any, made: Callable[..., OpenAIProvider]
) -> None:
    # Far apart, for a machine that stalls: the request is there before the time is up, the answer is not.
    server.replies = [reply(BATCH, delay_s=30)]
    hasty = made(base_url=server.base_url, create_timeout_s=1)

    with pytest.raises(ProviderUnavailableError, match="Timeout"):
        hasty.create(SUBMISSION)

    assert len(server.seen) == 1


def test_neither_message_nor_traceback_shows_a_key_that_the_server_echoes(
    server: ScriptedServer, reply: Any, openai: OpenAIProvider
) -> None:
    server.replies = [reply({"error": {"message": f"bad key {KEY}"}}, status=401)]

    with pytest.raises(ProviderAuthError) as raised:
        openai.poll("batch_1")

    assert KEY not in "".join(traceback.format_exception(raised.value, chain=True))
    assert raised.value.__context__ is None


def test_threads_share_one_client(server: ScriptedServer, reply: Any, openai: OpenAIProvider) -> None:
    server.replies = [reply(BATCH)]
    threads = [threading.Thread(target=openai.poll, args=("batch_1",)) for _ in range(8)]
    clients = set()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
        clients.add(id(openai._client._sdk))

    assert len(server.seen) == 8
    assert len(clients) == 1


def test_a_forked_child_builds_a_client_of_its_own(openai: OpenAIProvider) -> None:
    parent = openai._client._get()

    openai._client._pid -= 1

    assert openai._client._get() is not parent
