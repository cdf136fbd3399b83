"""What is wrong with one request of Anthropic's, in the provider's words."""

from pathlib import Path
from typing import Any

import pytest

from batchline_simulator.anthropic.params import Rules
from batchline_simulator.config import SimulatorConfig

OLD, NEW = "2023-06-01", "2026-10-21"
MODEL, NEWEST = "claude-haiku-4-5", "claude-sonnet-5-5"
SCHEMA = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
TOOL = {"name": "t", "input_schema": SCHEMA}
USER = {"role": "user", "content": "Hello"}
CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "t", "input": {}}]}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "no"}]}


def formatted(schema: Any) -> dict[str, Any]:
    return {"format": {"type": "json_schema", "schema": schema}}


def said(tmp_path: Path, version: str = OLD, **changes: Any) -> str | None:
    """Say what is wrong with a good request after some changes; None removes a parameter."""
    params = {"model": MODEL, "max_tokens": 100, "messages": [USER]} | changes
    rules = Rules(version, SimulatorConfig(data_dir=tmp_path))
    problem = rules.problem({key: value for key, value in params.items() if value is not ...})
    return None if problem is None else problem.message


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"temperature": 0.5, "top_k": 5},
        {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "t"}},
        {"tools": [{"type": "web_search_20260209", "name": "web_search"}]},
        {"output_config": formatted(SCHEMA), "model": NEWEST},
        {"output_config": {"effort": "low"}},
        {"system": [{"type": "text", "text": "Be brief."}], "stop_sequences": ["x"]},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000},
        {"thinking": {"type": "adaptive"}},
        {"messages": [USER, {"role": "assistant", "content": [{"type": "text", "text": "So"}]}]},
        {"messages": [USER, CALL, RESULT], "tools": [TOOL]},
    ],
    ids=[
        "plain",
        "sampling",
        "tool",
        "own tool",
        "format",
        "effort",
        "system",
        "thinking",
        "adaptive",
        "prefill",
        "tool result",
    ],
)
def test_good_request_passes(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert said(tmp_path, **changes) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": ...}, "model: Field required"),
        ({"model": "invalid-model-xyz"}, "model: invalid-model-xyz"),
        ({"max_tokens": ...}, "max_tokens: Field required"),
        ({"max_tokens": None}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": 0}, "max_tokens: Input should be greater than or equal to 1"),
        ({"max_tokens": 64_001}, "which is the maximum allowed number of output tokens for claude-haiku-4-5"),
        ({"messages": []}, "messages: at least one message is required"),
        ({"messages": "Hello"}, "messages: Input should be a valid list"),
        ({"messages": [{"content": "x"}]}, "messages.0.role: Field required"),
        ({"messages": [{"role": "system", "content": "x"}]}, 'messages: Unexpected role "system"'),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role: Input should be"),
        ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages.0.content.0.type"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]},
            "messages: text content blocks must be non-empty",
        ),
        (
            {"messages": [USER, CALL, USER]},
            "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1.",
        ),
        ({"messages": [USER, CALL]}, "messages.1: `tool_use` ids were found without"),
        ({"stream": True}, "stream: "),
        ({"speed": "fast"}, "speed: "),
        ({"response_format": {}}, "response_format: Extra inputs are not permitted"),
        ({"output_format": {}}, "output_format: Extra inputs are not permitted"),
        ({"thinking": {"type": "enabled"}}, "thinking.enabled.budget_tokens: Field required"),
        ({"thinking": {"type": "enabled", "budget_tokens": 10}}, "greater than or equal to 1024"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "`max_tokens` must be greater than"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_request_is_told_why(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    assert message in (said(tmp_path, **changes) or "")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tools": "t"}, "tools: Input should be a valid list"),
        ({"tools": [{}]}, "tools.0.custom.name: Field required"),
        ({"tools": [{"name": "t"}]}, "tools.0.custom.input_schema: Field required"),
        ({"tools": [{"name": "t", "input_schema": {}}]}, "input_schema.type: Input should be 'object'"),
        ({"tool_choice": {"type": "any"}}, "tool_choice: may only be specified while providing `tools`."),
        ({"tools": [TOOL], "tool_choice": {"type": "function"}}, "tool_choice: Input tag 'function'"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "u"}}, "Tool 'u' not found"),
        (
            {"tools": [TOOL], "tool_choice": {"type": "any"}, "model": NEWEST},
            'tool_choice: type "tool" and "any" are not supported for this model.',
        ),
        (
            {
                "tools": [TOOL],
                "tool_choice": {"type": "any"},
                "thinking": {"type": "enabled", "budget_tokens": 1024},
                "max_tokens": 2000,
            },
            "Thinking may not be enabled when tool_choice forces tool use.",
        ),
        (
            {"tools": [TOOL | {"name": f"t{n}", "strict": True} for n in range(22)]},
            "Too many strict tools (22)",
        ),
        (
            {"tools": [{"name": "t", "input_schema": {"type": "object"}, "strict": True}]},
            "tools.0.custom.input_schema: For 'object' type",
        ),
        ({"output_config": {"format": {"type": "json_object"}}}, "Input should be 'json_schema'"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema: Field"),
        (
            {"output_config": formatted({"type": "object"})},
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be",
        ),
        (
            {"output_config": formatted(SCHEMA), "model": "claude-3-7-sonnet-20250219"},
            "not supported for this",
        ),
        (
            {"output_config": formatted(SCHEMA), "messages": [USER, {"role": "assistant", "content": "{"}]},
            "incompatible with a message of the assistant",
        ),
    ],
)
def test_tools_and_formats_are_checked(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    assert message in (said(tmp_path, **changes) or "")


@pytest.mark.parametrize("name", ["temperature", "top_p", "top_k"])
def test_sampling_is_refused_by_version_or_by_model(tmp_path: Path, name: str) -> None:
    assert said(tmp_path, **{name: 1}) is None
    assert said(tmp_path, NEW, **{name: 1}) == f"{name}: not supported with anthropic-version {NEW}"
    assert said(tmp_path, model=NEWEST, **{name: 1}) == f"`{name}` is deprecated for this model."


def test_document_of_the_assistant_is_refused_by_the_new_version_only(tmp_path: Path) -> None:
    turns = [USER, {"role": "assistant", "content": [{"type": "document", "source": {}}]}]

    assert said(tmp_path, messages=turns) is None
    assert "document blocks" in (said(tmp_path, NEW, messages=turns) or "")
