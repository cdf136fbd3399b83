"""A `GenerateContentRequest` as a batch holds it: what is asked, and what is wrong with it.

Google takes camel case and snake case alike; so does every reader here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from batchline_simulator.google.response_schema import json_schema
from batchline_simulator.responder import Question
from batchline_simulator.tokens import tokens_in

_ROLES = ("user", "model")
_FUNCTION_NAME = re.compile(r"[A-Za-z_][\w.:-]{0,127}", re.ASCII)
_ANY_OBJECT = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
_JSON = "application/json"
_MAX_TEMPERATURE = 2


@dataclass(frozen=True)
class Problem:
    """Why one request is refused, with its HTTP code."""

    code: int
    message: str


def either(values: Any, camel: str) -> Any:
    """Return a field that may be spelled in camel or in snake case; None where it is neither."""
    if not isinstance(values, Mapping):
        return None
    snake = re.sub(r"[A-Z]", lambda found: "_" + found[0].lower(), camel)
    return values.get(camel, values.get(snake))


def prompt_tokens(request: Mapping[str, Any]) -> int:
    """Estimate what a request sends: the text of its contents and of its system instruction."""
    contents = request.get("contents")
    texts = [_text(content) for content in contents] if isinstance(contents, list) else []
    return tokens_in("".join([_text(either(request, "systemInstruction")), *texts]))


def output_limit(request: Mapping[str, Any]) -> int | None:
    """Return the most tokens that the answer may have, thoughts included; None where nothing is said."""
    limit = either(either(request, "generationConfig"), "maxOutputTokens")
    return limit if isinstance(limit, int) and not isinstance(limit, bool) else None


def question_of(custom_id: str, request: dict[str, Any], raw: bytes, *, model: str) -> Question:
    """Put a request in the terms of responders."""
    return Question(custom_id, request, raw, _schema(request), tuple(_messages(request)), model)


def problem_of(request: Mapping[str, Any], *, role_required: bool) -> Problem | None:
    """Return what Google refuses about one request, or None."""
    return (
        _bad_contents(request.get("contents"), role_required=role_required)
        or _bad_tools(request)
        or _bad_config(either(request, "generationConfig"))
    )


def _schema(request: Mapping[str, Any]) -> dict[str, Any] | None:
    config = either(request, "generationConfig")
    openapi, plain = either(config, "responseSchema"), either(config, "responseJsonSchema")
    if isinstance(plain, dict):
        return plain
    if isinstance(openapi, dict):
        return json_schema(openapi)
    return _ANY_OBJECT if either(config, "responseMimeType") == _JSON else None


def _messages(request: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if system := _text(either(request, "systemInstruction")):
        yield "system", system
    for content in request["contents"]:
        yield "assistant" if content.get("role") == "model" else "user", _text(content)


def _bad_contents(contents: Any, *, role_required: bool) -> Problem | None:
    if not isinstance(contents, list) or not contents:
        return Problem(400, "Unable to submit request because it must have at least one content.")
    for content in contents:
        role = content.get("role") if isinstance(content, dict) else None
        if role not in _ROLES and (role_required or role is not None):
            return Problem(400, "Please use a valid role: user, model.")
    return None


def _bad_tools(request: Mapping[str, Any]) -> Problem | None:
    tools = request.get("tools")
    functions = [
        (place, number, function)
        for place, tool in enumerate(tools if isinstance(tools, list) else [])
        for number, function in enumerate(either(tool, "functionDeclarations") or [])
    ]
    for place, number, function in functions:
        if _FUNCTION_NAME.fullmatch(str(function.get("name", ""))) is None:
            where = f"tools[{place}].function_declarations[{number}].name"
            rule = "Invalid function name. Must start with a letter or an underscore."
            message = f"The GenerateContentRequest proto is invalid:\n  * {where}: [FIELD_INVALID] {rule}"
            return Problem(400, message)
    if functions and either(either(request, "generationConfig"), "responseMimeType") == _JSON:
        return Problem(400, "Function calling with a response mime type: 'application/json' is unsupported")
    return None


def _bad_config(config: Any) -> Problem | None:
    temperature, limit = either(config, "temperature"), either(config, "maxOutputTokens")
    if isinstance(temperature, int | float) and not 0 <= temperature <= _MAX_TEMPERATURE:
        supported = f"supported range is from 0 (inclusive) to {_MAX_TEMPERATURE + 1} (exclusive)"
        return Problem(
            400, f"Unable to submit request because temperature is {temperature} but the {supported}."
        )
    if isinstance(limit, int) and limit < 1:
        return Problem(400, f"max_output_tokens must be positive, but it is {limit}.")
    return None


def _text(content: Any) -> str:
    parts = content.get("parts") if isinstance(content, dict) else None
    return "".join(str(part.get("text") or "") for part in parts or () if isinstance(part, dict))
