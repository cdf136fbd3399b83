"""Tests of what Anthropic's dialect makes of jobs and their requests."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from batchline_shared.accounts import Account
from batchline_shared.dialects.anthropic import AnthropicMessages
from batchline_shared.dialects.anthropic_models import (
    most_tokens,
    takes_forced_tools,
    takes_format,
    takes_last_word,
    takes_sampling,
)
from batchline_shared.errors import InvalidInputError, InvalidRequestError

SPEECH = AnthropicMessages(Account())
OLD, NEW = "claude-sonnet-4-5-20250929", "claude-opus-5-5"
TALK = [{"role": "user", "content": "hi"}]


class User(BaseModel):
    name: str


def template(
    model: str = OLD,
    response_model: type[BaseModel] | None = None,
    /,
    *,
    max_tokens: int | None = 2000,
    temperature: float | None = None,
    **options: Any,
) -> dict[str, Any]:
    return SPEECH.template(
        model, response_model, max_tokens=max_tokens, temperature=temperature, options=options
    )


def own_line(body: dict[str, Any], messages: Any = TALK, **own: Any) -> dict[str, Any]:
    """The `params` of a request with options of its own."""
    overrides = SPEECH.overrides(body["model"], None, None, own)
    line = SPEECH.object_line("bl-s-0", body, SPEECH.encode_request(messages, overrides, body, 0))
    params = orjson.loads(line)["params"]
    assert isinstance(params, dict)
    return params


def read(**params: Any) -> Any:
    whole = {"model": OLD, "max_tokens": 5, "messages": TALK} | params
    return SPEECH.read_line({"custom_id": "a", "params": whole}, OLD)


@pytest.mark.parametrize(
    ("model", "takes", "tokens"),
    [
        ("claude-2.1", "sampling, forced tool, last word", 4_096),
        ("claude-3-haiku-20240307", "sampling, forced tool, last word", 4_096),
        ("claude-3-5-sonnet-20241022", "sampling, forced tool, last word", 8_192),
        ("claude-3-7-sonnet-latest", "sampling, forced tool, last word", 32_000),
        ("claude-opus-4-20250514", "sampling, forced tool, last word", 32_000),
        ("claude-opus-4-1-20250805", "sampling, forced tool, last word", 32_000),
        ("claude-haiku-4-5-20251001", "sampling, forced tool, format, last word", 32_000),
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", "sampling, forced tool, format, last word", 32_000),
        ("claude-sonnet-4-6", "sampling, forced tool, format", 32_000),
        ("claude-opus-4-7", "forced tool, format", 32_000),
        ("claude-opus-5", "forced tool, format", 32_000),
        ("claude-sonnet-5", "forced tool, format", 32_000),
        ("claude-fable-5", "forced tool, format", 32_000),
        ("claude-fable-5-1", "format", 32_000),
        ("claude-haiku-5-5", "format", 32_000),
        ("claude-sonnet-5-5-20260928", "format", 32_000),
        ("claude-opus-7", "format", 32_000),
        ("claude-latest", "format", 32_000),
    ],
)
def test_a_model_takes_what_the_version_in_its_name_says(model: str, takes: str, tokens: int) -> None:
    tests = {
        "sampling": takes_sampling,
        "forced tool": takes_forced_tools,
        "format": takes_format,
        "last word": takes_last_word,
    }

    assert ", ".join(name for name, test in tests.items() if test(model)) == takes
    assert most_tokens(model) == tokens


def test_a_response_model_becomes_a_tool_that_the_model_has_to_call_once() -> None:
    body = template(OLD, User)

    (tool,) = body["tools"]
    assert (tool["name"], tool["input_schema"]["required"]) == ("User", ["name"])
    assert body["tool_choice"] == {"type": "tool", "name": "User", "disable_parallel_tool_use": True}
    assert "output_config" not in body


def test_a_model_that_cannot_be_made_to_call_a_tool_gets_a_format_beside_its_effort() -> None:
    body = template(NEW, User, output_config={"effort": "low"})

    assert body["output_config"]["effort"] == "low"
    assert body["output_config"]["format"]["type"] == "json_schema"
    assert "tools" not in body


@pytest.mark.parametrize("kind", ["enabled", "adaptive"])
def test_thinking_excludes_a_forced_tool_and_sampling(kind: str) -> None:
    thinking = {"type": kind, "budget_tokens": 1024}

    newer = template(OLD, User, temperature=0.1, top_k=5, thinking=thinking)
    older = template("claude-3-7-sonnet-20250219", User, temperature=0.1, thinking=thinking)

    assert "format" in newer["output_config"]
    assert older["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert not {"temperature", "top_k"} & (newer.keys() | older.keys())
    assert SPEECH.structured(newer)
    assert SPEECH.structured(older)


@pytest.mark.parametrize("model", [NEW, "claude-opus-4-7"])
def test_models_that_refuse_sampling_get_none(model: str) -> None:
    assert not {"temperature", "top_p", "top_k"} & template(model, temperature=0.1, top_p=0.9, top_k=3).keys()


def test_of_temperature_and_top_p_one_is_sent() -> None:
    assert template(temperature=0.1)["temperature"] == 0.1
    assert template(temperature=0.1, top_p=0.9, top_k=3) == template(top_p=0.9, top_k=3)


def test_without_max_tokens_a_model_gets_what_it_can_do_for_sure() -> None:
    assert template(max_tokens=None)["max_tokens"] == 32_000


@pytest.mark.parametrize(
    "budget",
    [
        pytest.param(None, id="none"),
        pytest.param(1023, id="too small"),
        pytest.param(True, id="no number"),
        pytest.param(2000, id="all of max_tokens"),
    ],
)
def test_a_budget_for_thinking_is_at_least_1024_and_leaves_something_for_the_answer(budget: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"thinking\.budget_tokens"):
        template(thinking={"type": "enabled", "budget_tokens": budget})
    with pytest.raises(InvalidRequestError, match=r"thinking\.budget_tokens"):
        own_line(template(), thinking={"type": "enabled", "budget_tokens": budget})


@pytest.mark.parametrize(
    "name",
    [
        "stream",
        "tools",
        "tool_choice",
        "messages",
        "model",
        "n",
        "response_format",
        "output_format",
        "speed",
        "mcp_servers",
        "container",
        "betas",
    ],
)
def test_what_would_fail_every_request_or_make_its_answer_no_result_is_refused(name: str) -> None:
    options: dict[str, Any] = {name: 1}

    with pytest.raises(InvalidInputError, match=f"option '{name}' cannot be set"):
        template(**options)
    with pytest.raises(InvalidInputError, match=f"option '{name}' cannot be set"):
        SPEECH.overrides(OLD, None, None, options)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("stop", "stop_sequences"),
        ("user", "metadata"),
        ("reasoning_effort", "output_config"),
        ("max_completion_tokens", "max_tokens"),
    ],
)
def test_an_option_of_openai_is_refused_with_anthropics_name(name: str, remedy: str) -> None:
    options: dict[str, Any] = {name: "x"}

    with pytest.raises(InvalidInputError, match=remedy):
        template(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"cache_control": "ephemeral"},
        {"metadata": {"user_id": 7}},
        {"metadata": {"user_id": "u", "run": "r"}},
        {"output_config": {"format": {"type": "json_schema"}}},
        {"service_tier": "priority"},
        {"stop_sequences": "###"},
        {"stop_sequences": [""]},
        {"system": ""},
        {"system": [{"type": "text"}]},
        {"thinking": True},
        {"top_p": 1.5},
        {"top_k": -1},
        {"max_tokens": 0},
    ],
    ids=str,
)
def test_an_option_that_we_know_is_held_to_what_it_may_be(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(options))):
        template(**options)


def test_other_options_pass_as_they_are() -> None:
    options = {
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        "stop_sequences": ["###"],
        "metadata": {"user_id": "u"},
        "cache_control": {"type": "ephemeral", "ttl": "1h"},
        "inference_geo": "us",
        "newer_than_us": {"a": 1},
    }

    assert template(**options) == {"model": OLD, "max_tokens": 2000, **options}


def test_null_among_the_jobs_options_is_left_out() -> None:
    assert template(metadata=None) == template()
    with pytest.raises(InvalidInputError, match="max_tokens"):
        SPEECH.template(OLD, None, max_tokens=5, temperature=None, options={"max_tokens": None})


def test_a_request_of_its_own_drops_the_jobs_sampling_where_its_thinking_excludes_it() -> None:
    body = template(OLD, User, temperature=0.3)

    params = own_line(body, thinking={"type": "adaptive"})

    assert "temperature" not in params
    assert params["tool_choice"] == {"type": "auto"}


def test_a_request_of_its_own_keeps_the_jobs_format_beside_its_effort() -> None:
    body = template(NEW, User)

    params = own_line(body, output_config={"effort": "low"})

    assert params["output_config"] == body["output_config"] | {"effort": "low"}


def test_a_system_prompt_of_the_job_stands_before_the_conversations_own() -> None:
    body = template(system="job")
    talk = [{"role": "system", "content": "own"}, *TALK]

    row = SPEECH.encoder(body)(talk, 0)

    params = orjson.loads(SPEECH.object_line("a", body, row))["params"]
    assert (params["system"], params["messages"]) == ("job\n\nown", TALK)
    assert own_line(body, talk, top_k=3)["system"] == "job\n\nown"
    assert own_line(body, TALK, top_k=3)["system"] == "job"
    assert own_line(body, talk, system="instead")["system"] == "instead\n\nown"


def test_blocks_of_the_jobs_system_prompt_keep_their_cache_control() -> None:
    cached = [{"type": "text", "text": "job", "cache_control": {"type": "ephemeral"}}]
    body = template(system=cached)

    row = SPEECH.encoder(body)([{"role": "system", "content": "own"}, *TALK], 0)

    assert orjson.loads(row)["system"] == [*cached, {"type": "text", "text": "own"}]


def test_a_file_line_gives_its_system_prompt_to_the_conversation() -> None:
    line = read(system="be brief", top_k=3)

    assert line.common == {"model": OLD, "max_tokens": 5, "top_k": 3}
    assert line.conversation == {"messages": TALK, "system": "be brief"}
    assert line.row == orjson.dumps(TALK) + b',"system":"be brief"'


def test_a_file_line_in_openais_way_is_brought_into_anthropics() -> None:
    line = read(messages=[{"role": "system", "content": "be brief"}, *TALK])

    assert line.conversation == {"messages": TALK, "system": "be brief"}


def test_a_file_line_loses_the_sampling_that_its_model_refuses() -> None:
    params = {"model": NEW, "max_tokens": 5, "temperature": 0.1, "top_k": 1, "messages": TALK}

    line = SPEECH.read_line({"custom_id": "a", "params": params}, NEW)

    assert line.common == {"model": NEW, "max_tokens": 5}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {}}, "openai"),
        ({"request": {}}, "google"),
        ({"key": "a", "request": {}}, "google"),
        ({"params": {}}, "custom_id"),
        ({"custom_id": "a", "params": []}, "params must be an object"),
    ],
    ids=str,
)
def test_a_line_of_another_kind_is_refused_by_name(line: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SPEECH.read_line(line, OLD)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"stream": True}, "params.stream"),
        ({"max_tokens": None}, "params.max_tokens"),
        ({"max_tokens": "5"}, "params.max_tokens"),
        ({"messages": []}, "params.the list of messages is empty"),
        ({"system": 7}, "params.option 'system'"),
        ({"thinking": {"type": "enabled", "budget_tokens": 9}}, "params.thinking.budget_tokens"),
    ],
    ids=str,
)
def test_a_file_line_with_a_fault_is_refused_by_field(params: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read(**params)


def test_tools_of_the_provider_alone_do_not_make_an_answer_json() -> None:
    assert not SPEECH.structured({"tools": [{"type": "web_search_20250305", "name": "web_search"}]})
    assert SPEECH.structured({"tools": [{"name": "User", "input_schema": {}}]})
    assert not SPEECH.structured({"output_config": {"effort": "low"}, "tools": None})


def test_an_accounts_limits_win() -> None:
    limits = AnthropicMessages(Account(provider="anthropic", max_requests=10)).limits

    assert (limits.max_requests, limits.max_bytes) == (10, SPEECH.limits.max_bytes)
