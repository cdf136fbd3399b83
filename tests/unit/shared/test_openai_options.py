"""Options of OpenAI's endpoints: refused where every line would fail, passed where we know nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from batchline_shared.accounts import Account
from batchline_shared.dialects.registry import dialect, endpoints
from batchline_shared.errors import InvalidInputError

if TYPE_CHECKING:
    from batchline_shared.dialects.base import Dialect

CHAT, RESPONSES, EMBEDDINGS = "/v1/chat/completions", "/v1/responses", "/v1/embeddings"


@pytest.fixture(params=endpoints("openai"))
def speech(request: pytest.FixtureRequest) -> Dialect:
    return dialect("openai", request.param)


def own(speech: Dialect, **options: Any) -> dict[str, Any]:
    return speech.overrides("m", None, None, options)


def test_chat_is_what_openai_means_unless_another_endpoint_is_named() -> None:
    assert endpoints("openai") == [CHAT, RESPONSES, EMBEDDINGS]


@pytest.mark.parametrize(
    "name",
    [
        "model",
        "messages",
        "stream",
        "stream_options",
        "method",
        "url",
        "body",
        "custom_id",
        "response_format",
        "extra_body",
    ],
)
def test_what_would_fail_the_whole_batch_is_refused_for_a_job_and_for_a_request(
    speech: Dialect, name: str
) -> None:
    with pytest.raises(InvalidInputError, match=f"'{name}' cannot be set: "):
        speech.template("m", None, max_tokens=1000, temperature=0.1, options={name: None})
    with pytest.raises(InvalidInputError, match=f"'{name}' cannot be set: "):
        own(speech, **{name: "x"})


@pytest.mark.parametrize("endpoint", [CHAT, RESPONSES])
@pytest.mark.parametrize("name", ["tools", "tool_choice", "parallel_tool_calls", "n"])
def test_a_request_has_one_answer_and_no_tools(endpoint: str, name: str) -> None:
    with pytest.raises(InvalidInputError, match=f"'{name}' cannot be set: "):
        own(dialect("openai", endpoint), **{name: 1})


@pytest.mark.parametrize(
    "name",
    ["input", "background", "previous_response_id", "conversation", "max_tokens", "reasoning_effort"],
)
def test_what_a_response_does_not_take_is_refused_with_a_reason(name: str) -> None:
    with pytest.raises(InvalidInputError, match=f"'{name}' cannot be set: "):
        own(dialect("openai", RESPONSES), **{name: "x"})


BAD = [
    (CHAT, "stop", ["a", "b", "c", "d", "e"]),
    (CHAT, "stop", []),
    (CHAT, "stop", 3),
    (CHAT, "seed", 1.5),
    (CHAT, "seed", True),
    (CHAT, "logprobs", 1),
    (CHAT, "top_logprobs", 21),
    (CHAT, "top_p", float("nan")),
    (CHAT, "temperature", 2.1),
    (CHAT, "max_tokens", 0),
    (CHAT, "logit_bias", []),
    (CHAT, "frequency_penalty", 3),
    (CHAT, "reasoning_effort", "hardest"),
    (CHAT, "verbosity", "mute"),
    (CHAT, "modalities", ["text", "audio"]),
    (CHAT, "service_tier", "batch"),
    (CHAT, "prompt_cache_key", ""),
    (CHAT, "safety_identifier", "x" * 65),
    (CHAT, "metadata", {"a": 1}),
    (CHAT, "metadata", {str(number): "" for number in range(17)}),
    (RESPONSES, "max_output_tokens", 15),
    (RESPONSES, "reasoning", {"effort": "hardest"}),
    (RESPONSES, "reasoning", "high"),
    (RESPONSES, "text", {"verbosity": "mute"}),
    (RESPONSES, "text", "short"),
    (RESPONSES, "truncation", True),
    (RESPONSES, "include", ["a", 1]),
    (RESPONSES, "instructions", ["be brief"]),
    (EMBEDDINGS, "dimensions", 0),
    (EMBEDDINGS, "dimensions", "256"),
    (EMBEDDINGS, "encoding_format", "int8"),
    (EMBEDDINGS, "user", 7),
]


@pytest.mark.parametrize(("endpoint", "name", "value"), BAD, ids=lambda value: str(value)[:30])
def test_a_value_that_openai_refuses_is_refused_by_name(endpoint: str, name: str, value: Any) -> None:
    with pytest.raises(InvalidInputError, match=f"'{name}' must be "):
        own(dialect("openai", endpoint), **{name: value})


GOOD = [
    (CHAT, "stop", "END"),
    (CHAT, "stop", ["a", "b", "c", "d"]),
    (CHAT, "seed", -1),
    (CHAT, "top_logprobs", 20),
    (CHAT, "reasoning_effort", "none"),
    (CHAT, "modalities", ["text"]),
    (CHAT, "metadata", {"run": "1"}),
    (CHAT, "guided_regex", "[a-z]+"),
    (CHAT, "user", None),
    (RESPONSES, "reasoning", {"effort": "low", "summary": "auto"}),
    (RESPONSES, "text", {"verbosity": "low"}),
    (RESPONSES, "instructions", "be brief"),
    (RESPONSES, "seed", 7),
    (RESPONSES, "include", ["reasoning.encrypted_content"]),
    (EMBEDDINGS, "dimensions", 256),
    (EMBEDDINGS, "encoding_format", "base64"),
    (EMBEDDINGS, "input_type", "query"),
]


@pytest.mark.parametrize(("endpoint", "name", "value"), GOOD, ids=lambda value: str(value)[:30])
def test_a_value_that_openai_takes_or_that_only_others_know_passes(
    endpoint: str, name: str, value: Any
) -> None:
    assert own(dialect("openai", endpoint), **{name: value}) == {name: value}


def test_a_long_text_is_not_quoted_because_it_may_be_a_prompt() -> None:
    with pytest.raises(InvalidInputError, match=r"must be text of at most 64 characters, not this str"):
        own(dialect("openai", CHAT), safety_identifier="my secret prompt " * 10)


@pytest.mark.parametrize(
    ("endpoint", "name", "value"),
    [
        (CHAT, "service_tier", "on_demand"),
        (CHAT, "reasoning_effort", "default"),
        (RESPONSES, "reasoning", {"effort": "default"}),
        (RESPONSES, "max_output_tokens", 1),
        (EMBEDDINGS, "encoding_format", "int8"),
    ],
)
def test_a_server_like_openai_has_words_and_limits_of_its_own(endpoint: str, name: str, value: Any) -> None:
    alike = dialect("openai", endpoint, Account(base_url="https://api.example/v1"))

    assert own(alike, **{name: value}) == {name: value}
    with pytest.raises(InvalidInputError):
        own(dialect("openai", endpoint), **{name: value})


def test_a_server_like_openai_may_be_asked_for_a_single_token() -> None:
    alike = dialect("openai", RESPONSES, Account(base_url="https://api.example/v1"))

    assert alike.overrides("m", 1, None, {}) == {"max_output_tokens": 1}


@pytest.mark.parametrize(("name", "value"), [("stop", 3), ("temperature", "warm"), ("stream", True)])
def test_what_no_server_can_take_is_refused_for_all_of_them(name: str, value: Any) -> None:
    alike = dialect("openai", CHAT, Account(base_url="https://api.example/v1"))

    with pytest.raises(InvalidInputError, match=f"'{name}'"):
        own(alike, **{name: value})
