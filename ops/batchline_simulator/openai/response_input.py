"""What `/v1/responses` refuses about the input of a request."""

from typing import Any

from batchline_simulator.openai.endpoint import Body
from batchline_simulator.openai.errors import RowError, envelope, missing
from batchline_simulator.openai.parameters import unknown_word

_ROLES = ("assistant", "system", "developer", "user")
_ITEMS = (
    "message",
    "reasoning",
    "item_reference",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "file_search_call",
    "web_search_call",
    "computer_call",
    "computer_call_output",
    "code_interpreter_call",
    "image_generation_call",
    "mcp_call",
    "mcp_list_tools",
    "mcp_approval_request",
    "mcp_approval_response",
    "compaction",
)
_ASKED = ("input_text", "input_image", "input_file")
_ANSWERED = ("output_text", "refusal")
"""Content parts of messages to the model, and of messages from it."""

_MOVED = {
    "messages": "input",
    "response_format": "text.format",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "reasoning_effort": "reasoning.effort",
}
"""Parameters of chat completions, and what each is called here."""


def rejected_input(body: Body) -> RowError | None:
    """Return the 400 that a request's input gets, or None."""
    for old, new in _MOVED.items():
        if old in body:
            return _moved(old, new)
    given = body.get("input")
    if given is None:
        if any(body.get(name) for name in ("prompt", "previous_response_id", "conversation")):
            return None
        return missing("input")
    if isinstance(given, str):
        return None
    if not isinstance(given, list):
        text = "Invalid type for 'input': expected one of an array of objects or a string."
        return RowError(400, envelope(text, param="input", code="invalid_type")["error"])
    bad = (_bad_item(item, f"input[{place}]") for place, item in enumerate(given))
    return next(filter(None, bad), None)


def _moved(old: str, new: str) -> RowError:
    text = (
        f"Unsupported parameter: '{old}'. In the Responses API, this parameter has moved to '{new}'."
        " Try again with the new parameter. See the API documentation for more information:"
        " https://platform.openai.com/docs/api-reference/responses/create."
    )
    return RowError(400, envelope(text, param=old, code="unsupported_parameter")["error"])


def _bad_item(item: Any, param: str) -> RowError | None:
    if not isinstance(item, dict):
        text = f"Invalid type for '{param}': expected an object."
        return RowError(400, envelope(text, param=param, code="invalid_type")["error"])
    kind = item.get("type", "message")
    if kind != "message":
        return unknown_word(kind, _ITEMS, param)
    role = item.get("role")
    if role is None:
        return missing(f"{param}.role")
    return unknown_word(role, _ROLES, param) or _bad_content(item.get("content"), str(role), param)


def _bad_content(content: Any, role: str, param: str) -> RowError | None:
    if content is None:
        return missing(f"{param}.content")
    if not isinstance(content, list):
        return None
    known = _ANSWERED if role == "assistant" else _ASKED
    for place, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if (bad := unknown_word(kind, known, f"{param}.content[{place}]")) is not None:
            return bad
    return None
