"""Accounts: named in the model, described in the settings, and never mistaken for another."""

from __future__ import annotations

import os

import pytest

from batchline_shared.accounts import OWN_ACCOUNT, Account, ModelName, parse_model
from batchline_shared.dialects.base import Limits
from batchline_shared.dialects.registry import dialect, endpoints
from batchline_shared.errors import ConfigurationError, InvalidModelError
from batchline_shared.settings import Settings


@pytest.fixture(autouse=True)
def _nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("BATCHLINE_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("model", "parts", "route"),
    [
        ("openai/gpt-4.1-mini", ("openai", "", "gpt-4.1-mini"), "openai"),
        ("openai@groq/openai/gpt-oss-120b", ("openai", "groq", "openai/gpt-oss-120b"), "openai@groq"),
        ("openai/ft:gpt-4o:acme::a@1", ("openai", "", "ft:gpt-4o:acme::a@1"), "openai"),
        ("google@eu-west_1/gemini", ("google", "eu-west_1", "gemini"), "google@eu-west_1"),
    ],
)
def test_a_model_names_its_provider_and_its_account(
    model: str, parts: tuple[str, str, str], route: str
) -> None:
    assert parse_model(model) == ModelName(*parts)
    assert parse_model(model).route == route


@pytest.mark.parametrize(
    "model",
    [
        "openai",
        "openai@groq",
        "openai@/gpt",
        "openai@Groq/gpt",
        "openai@-groq/gpt",
        "openai@a@b/gpt",
        "@groq/gpt",
        "openai@groq/",
        "open ai/gpt",
        "openai/gpt 4",
        None,
    ],
)
def test_what_is_of_another_form_is_no_model(model: object) -> None:
    with pytest.raises(InvalidModelError, match="provider@account/model-name"):
        parse_model(model)


def test_an_account_is_read_from_one_variable_for_each_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCHLINE_ACCOUNTS__GROQ__BASE_URL", "https://api.groq.com/openai/v1")
    monkeypatch.setenv("BATCHLINE_ACCOUNTS__GROQ__API_KEY_ENV", "GROQ_API_KEY")
    monkeypatch.setenv("BATCHLINE_ACCOUNTS__MY_AZURE__PATH_PREFIX", "")
    monkeypatch.setenv("BATCHLINE_ACCOUNTS__MY_AZURE__MAX_REQUESTS", "1000")

    assert Settings.load().accounts == {
        "groq": Account(base_url="https://api.groq.com/openai/v1", api_key_env="GROQ_API_KEY"),
        "my_azure": Account(path_prefix="", max_requests=1000),
    }


def test_a_name_with_hyphens_is_given_as_json_and_a_variable_of_its_own_wins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BATCHLINE_ACCOUNTS", '{"eu-west": {"max_requests": 5}, "groq": {"max_requests": 5}}')
    monkeypatch.setenv("BATCHLINE_ACCOUNTS__GROQ__MAX_REQUESTS", "7")

    accounts = Settings.load().accounts

    assert (accounts["eu-west"].max_requests, accounts["groq"].max_requests) == (5, 7)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BATCHLINE_ACCOUNTS", '{"groq": {"api_key": "sk-secret"}}'),
        ("BATCHLINE_ACCOUNTS", '{"Groq": {}}'),
        ("BATCHLINE_ACCOUNTS", '{"a/b": {}}'),
        ("BATCHLINE_ACCOUNTS", '{"groq": "sk-secret"'),
        ("BATCHLINE_ACCOUNTS", '["sk-secret"]'),
        ("BATCHLINE_ACCOUNTS__GROQ__API_KEY", "sk-secret"),
        ("BATCHLINE_ACCOUNTS__GROQ__MAX_BYTES", "10"),
        ("BATCHLINE_ACCOUNTS__GROQ__MAX_REQUESTS", "0"),
    ],
    ids=lambda value: str(value)[:45],
)
def test_a_wrong_account_is_named_and_not_quoted(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigurationError, match="BATCHLINE_ACCOUNTS") as refused:
        Settings.load()

    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_model_without_an_account_is_the_providers_own() -> None:
    assert Settings().account(parse_model("openai/gpt")) is OWN_ACCOUNT


def test_an_account_that_the_settings_do_not_name_is_refused_with_those_they_do() -> None:
    settings = Settings(accounts={"groq": Account(), "azure": Account()})

    with pytest.raises(InvalidModelError, match=r"no account 'gork' \(there is: azure, groq\)"):
        settings.account(parse_model("openai@gork/gpt"))
    with pytest.raises(InvalidModelError, match="there is: none"):
        Settings().account(parse_model("openai@groq/gpt"))


def test_an_account_of_another_provider_is_refused_with_its_right_name() -> None:
    settings = Settings(accounts={"research": Account(provider="anthropic")})

    with pytest.raises(InvalidModelError, match='use "anthropic@research/gpt"'):
        settings.account(parse_model("openai@research/gpt"))


@pytest.mark.parametrize("endpoint", endpoints("openai"))
def test_an_accounts_limits_and_paths_win_over_the_providers(endpoint: str) -> None:
    azure = dialect("openai", endpoint, Account(path_prefix="", max_requests=10, max_bytes=2048))

    assert azure.limits == Limits(10, 2048)
    head, middle, _ = azure.line_ends(b'{"model":"m"}')
    assert head == b'{"custom_id":"'
    assert f'"url":"{endpoint.removeprefix("/v1")}"'.encode() in middle
    assert azure.endpoint == endpoint


def test_a_line_of_a_file_may_name_the_path_as_the_account_or_as_openai_does() -> None:
    azure = dialect("openai", account=Account(path_prefix=""))
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}

    for url in ("/chat/completions", "/v1/chat/completions"):
        line = {"custom_id": "a", "method": "POST", "url": url, "body": body}
        assert azure.read_line(line, "m").custom_id == "a"
    with pytest.raises(ValueError, match='url must be "/chat/completions"'):
        azure.read_line({"custom_id": "a", "method": "POST", "url": "/v2/chat", "body": body}, "m")
