"""What is wrong with the tools of a request, or with the format that it wants its answer in."""

from typing import Any

from batchline_simulator.anthropic import models
from batchline_simulator.anthropic.output_schema import MAX_STRICT_TOOLS, budget_problem, schema_problem

_CHOICES = ("auto", "any", "tool", "none")
_FORCED = ("tool", "any")
_UNVERIFIED = {
    "format": "output_config.format: structured outputs are not supported for this model.",
    "prefill": "output_config.format: incompatible with a message of the assistant at the end.",
    "citations": "output_config.format: incompatible with citations.",
}


def tools_problem(params: dict[str, Any]) -> str | None:
    """Return what is wrong with `tools` and `tool_choice`, or None."""
    tools = params.get("tools") or []
    if not isinstance(tools, list):
        return "tools: Input should be a valid list"
    for place, tool in enumerate(tools):
        if (bad := _bad_tool(f"tools.{place}", tool)) is not None:
            return bad
    strict = [tool for tool in tools if tool.get("strict")]
    if len(strict) > MAX_STRICT_TOOLS:
        return (
            f"Too many strict tools ({len(strict)}). The maximum number of strict tools supported is"
            f" {MAX_STRICT_TOOLS}. Try reducing the number of tools marked as strict."
        )
    return _bad_choice(params, [tool.get("name") for tool in tools])


def format_problem(params: dict[str, Any]) -> str | None:
    """Return what is wrong with `output_config`, or with all schemas together, or None."""
    schemas = [tool["input_schema"] for tool in params.get("tools") or () if tool.get("strict")]
    wanted = (params.get("output_config") or {}).get("format")
    if wanted is not None:
        if (bad := _bad_format(params, wanted)) is not None:
            return bad
        schemas.append(wanted["schema"])
    return budget_problem(schemas)


def unanswered_call(params: dict[str, Any]) -> str | None:
    """Return what is wrong with a call to a tool that the next turn does not give the result of, or None."""
    turns = params["messages"]
    for place, (turn, after) in enumerate(zip(turns, [*turns[1:], {}], strict=True)):
        given = {block.get("tool_use_id") for block in _blocks(after, "tool_result")}
        missing = [
            str(block.get("id")) for block in _blocks(turn, "tool_use") if block.get("id") not in given
        ]
        if missing:
            return (
                f"messages.{place}: `tool_use` ids were found without `tool_result` blocks immediately after:"
                f" {', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block"
                " in the next message."
            )
    return None


def _blocks(turn: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    content = turn.get("content")
    return [block for block in content if block["type"] == kind] if isinstance(content, list) else []


def _bad_tool(where: str, tool: Any) -> str | None:
    if not isinstance(tool, dict) or not isinstance(tool.get("name"), str):
        return f"{where}.custom.name: Field required"
    if tool.get("type", "custom") != "custom":
        # The provider's own tools have no schema; what they do is not simulated.
        return None
    schema = tool.get("input_schema")
    if not isinstance(schema, dict):
        return f"{where}.custom.input_schema: Field required"
    if schema.get("type") != "object":
        return f"{where}.custom.input_schema.type: Input should be 'object'"
    broken = schema_problem(schema) if tool.get("strict") else None
    return None if broken is None else f"{where}.custom.input_schema: {broken}"


def _bad_choice(params: dict[str, Any], names: list[Any]) -> str | None:
    choice = params.get("tool_choice")
    if choice is None:
        return None
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind not in _CHOICES:
        return f"tool_choice: Input tag '{kind}' found using 'type' does not match any of the expected tags"
    if not names:
        return "tool_choice: may only be specified while providing `tools`."
    return _bad_force(params, choice, names) if kind in _FORCED else None


def _bad_force(params: dict[str, Any], choice: dict[str, Any], names: list[Any]) -> str | None:
    if not models.takes_forced_tools(params["model"]):
        return 'tool_choice: type "tool" and "any" are not supported for this model.'
    if (params.get("thinking") or {}).get("type") == "enabled":
        return "Thinking may not be enabled when tool_choice forces tool use."
    if choice["type"] == "tool" and choice.get("name") not in names:
        return f"Tool '{choice.get('name')}' not found in provided tools"
    return None


def _bad_format(params: dict[str, Any], wanted: Any) -> str | None:
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        return "output_config.format.type: Input should be 'json_schema'"
    if not isinstance(wanted.get("schema"), dict):
        return "output_config.format.schema: Field required"
    if not models.takes_format(params["model"]):
        return _UNVERIFIED["format"]
    if params["messages"][-1]["role"] == "assistant":
        return _UNVERIFIED["prefill"]
    if any(_has_citations(turn["content"]) for turn in params["messages"]):
        return _UNVERIFIED["citations"]
    broken = schema_problem(wanted["schema"])
    return None if broken is None else f"output_config.format.schema: {broken}"


def _has_citations(content: Any) -> bool:
    blocks = content if isinstance(content, list) else ()
    return any((block.get("citations") or {}).get("enabled") for block in blocks)
