"""Tests of what an account's settings do to its calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from batchline_shared.accounts import Account
from batchline_shared.errors import ProviderAuthError
from batchline_shared.settings import Settings
from batchline_worker.providers import make_provider
from batchline_worker.providers.base import Submission
from sdk_connections import hang_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batchline_worker.providers.base import Provider
    from unit.worker.providers.conftest import ScriptedServer

KEY = "AZURE_TEST_KEY"
BATCH = {"object": "batch", "id": "b1", "status": "validating"}


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch, server: ScriptedServer) -> Iterator[Callable[..., Provider]]:
    """Make the transport of an account at a server; its connections end with the test."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-usual")
    made: list[Any] = []

    def make(**fields: Any) -> Provider:
        account = Account(**{"base_url": server.base_url, "api_key_env": KEY} | fields)
        made.append(make_provider("openai@azure", Settings(accounts={"azure": account})))
        provider: Provider = made[-1]
        return provider

    yield make
    for provider in made:
        hang_up(provider)


@pytest.mark.parametrize(
    ("prefix", "endpoint"),
    [("", "/chat/completions"), ("/v1", "/v1/chat/completions"), ("/v4", "/v4/chat/completions")],
)
def test_an_account_has_its_own_address_key_and_paths(
    prefix: str,
    endpoint: str,
    azure: Callable[..., Provider],
    server: ScriptedServer,
    reply: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(KEY, "planted")
    server.replies = [reply(BATCH)]

    azure(path_prefix=prefix).create(Submission("s", "j", "/v1/chat/completions", "m", 1, file_id="f"))

    (seen,) = server.seen
    assert seen.headers["authorization"] == "Bearer planted"
    assert orjson.loads(seen.body)["endpoint"] == endpoint


def test_an_account_never_falls_back_to_the_usual_key(
    azure: Callable[..., Provider], server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY, raising=False)

    with pytest.raises(ProviderAuthError, match=f"openai@azure: .*set {KEY}"):
        azure().poll("b1")

    assert server.seen == []


def test_an_account_without_a_variable_of_its_own_has_the_usual_key(
    azure: Callable[..., Provider], server: ScriptedServer, reply: Any
) -> None:
    server.replies = [reply(BATCH)]

    azure(api_key_env=None).poll("b1")

    assert server.seen[0].headers["authorization"] == "Bearer sk-usual"
