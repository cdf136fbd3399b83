"""OpenAI's `/v1/responses` in a batch: what chat completions do, under other names.

A conversation is written as messages, as everywhere, and becomes `input` items; items of
the responses API's own (`{"type": "reasoning", …}`) pass as they are, and so does a plain text.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from batchline_shared.dialects.messages import check_messages
from batchline_shared.dialects.openai_lines import OpenAILines, is_reasoning
from batchline_shared.dialects.openai_options import (
    COMMON_RULES,
    EFFORT,
    LINE_FIELDS,
    Rule,
    mapping,
    text,
    texts,
    whole,
    words,
)
from batchline_shared.dialects.openai_parts import responses_part
from batchline_shared.dialects.sampling import check_sampling
from batchline_shared.errors import InvalidInputError, InvalidRequestError
from batchline_shared.schemas import schema_name, strict_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

__all__ = ["OpenAIResponses"]

_ROLES: Final = frozenset({"system", "developer", "user", "assistant"})
_OF_MESSAGES: Final = frozenset({"type", "role", "content", "id", "phase", "status"})

_LOWEST_TOKENS: Final = 16
"""`max_output_tokens` may not be lower; each line would be refused."""

_ALONE: Final = "each request of a batch stands alone"
_NO_TOOLS: Final = "an answer must be the result, not a call to a tool"

_RESERVED: Final[Mapping[str, str]] = MappingProxyType(
    {
        **LINE_FIELDS,
        "input": "give it as the request's messages",
        "messages": "give them as the request's messages",
        "n": "a request has one outcome, so one choice",
        "background": "a batch runs in the background as it is",
        "background_options": "a batch runs in the background as it is",
        "previous_response_id": _ALONE,
        "conversation": _ALONE,
        "tools": _NO_TOOLS,
        "tool_choice": _NO_TOOLS,
        "parallel_tool_calls": _NO_TOOLS,
        "max_tool_calls": _NO_TOOLS,
        "response_format": "it is made from the response model",
        "max_tokens": "it is called max_output_tokens here",
        "max_completion_tokens": "it is called max_output_tokens here",
        "reasoning_effort": 'give reasoning={"effort": …}',
        "verbosity": 'give text={"verbosity": …}',
    }
)


def _is_reasoning_option(value: Any) -> bool:
    effort = value.get("effort") if isinstance(value, dict) else 0
    return effort is None or EFFORT.holds(effort)


def _is_text_option(value: Any) -> bool:
    return isinstance(value, dict) and value.get("verbosity") in (None, "low", "medium", "high")


_RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        **COMMON_RULES,
        "include": texts(0, 20),
        "instructions": text(),
        "max_output_tokens": whole(_LOWEST_TOKENS)._replace(ours=True),
        "prompt": mapping,
        "reasoning": Rule(f"an object, and its effort {EFFORT.expected}", _is_reasoning_option, ours=True),
        "text": Rule("an object, and its verbosity low, medium or high", _is_text_option),
        "truncation": words("auto", "disabled"),
    }
)


class OpenAIResponses(OpenAILines):
    """The `/v1/responses` dialect; see `Dialect`."""

    endpoint = "/v1/responses"
    conversation_field = "input"
    reserved = _RESERVED
    rules = _RULES

    def template(
        self,
        model_name: str,
        response_model: type[BaseModel] | None,
        *,
        max_tokens: int | None,
        temperature: float | None,
        options: Mapping[str, Any],
    ) -> dict[str, Any]:
        """See `Dialect`. The schema goes into `text`, beside what the options say there."""
        body = {"model": model_name, **self.overrides(model_name, max_tokens, temperature, options)}
        if response_model is not None:
            form = {
                "type": "json_schema",
                "name": schema_name(response_model),
                "strict": True,
                "schema": strict_schema(response_model),
            }
            body["text"] = {**(body.get("text") or {}), "format": form}
        return body

    def structured(self, template: Mapping[str, Any]) -> bool:
        """See `Dialect`."""
        given = template.get("text")
        form = given.get("format") if isinstance(given, dict) else None
        return isinstance(form, dict) and form.get("type") in ("json_schema", "json_object")

    def conversation(self, given: Any, row: int) -> Any:
        """See `OpenAILines`."""
        if isinstance(given, str):
            if not given:
                raise InvalidRequestError("the text is empty", row=row)
            return given
        if not isinstance(given, list | tuple):
            check_messages(given, row)
        messages = [item for item in given if not _is_native(item)]
        if messages or not given:
            check_messages(messages, row)
        return [
            item if _is_native(item) else _message(item, f"messages[{number}]", row)
            for number, item in enumerate(given)
        ]

    def overrides(
        self, model_name: str, max_tokens: int | None, temperature: float | None, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """See `Dialect`."""
        self.check_options(options)
        if "format" in (options.get("text") or {}):
            raise InvalidInputError("option 'text.format' cannot be set: it is made from the response model")
        check_sampling(max_tokens, temperature, highest_temperature=2)
        fields: dict[str, Any] = {}
        if max_tokens is not None:
            if self.at_openai and max_tokens < _LOWEST_TOKENS:
                raise InvalidInputError(
                    f"max_tokens must be at least {_LOWEST_TOKENS} for {self.endpoint}, not {max_tokens}"
                )
            fields["max_output_tokens"] = max_tokens
        if temperature is not None and not is_reasoning(model_name):
            fields["temperature"] = temperature
        return {**fields, **options}

    def encode_request(
        self, messages: Any, overrides: Mapping[str, Any], template: Mapping[str, Any], row: int
    ) -> bytes:
        """See `Dialect`. What a request says in `text` goes beside the job's schema, not in its place."""
        if "text" in overrides:
            own, kept = overrides["text"], template.get("text") or {}
            if own is None:
                kept = {name: kept[name] for name in ("format",) if name in kept}
            overrides = {**overrides, "text": {**kept, **(own or {})} or None}
        return super().encode_request(messages, overrides, template, row)


def _is_native(item: Any) -> bool:
    """Whether this is an item of the responses API that is no message."""
    return isinstance(item, dict) and "role" not in item and isinstance(item.get("type"), str)


def _message(message: dict[str, Any], at: str, row: int) -> dict[str, Any]:
    """Write a message as an item. What a chat reply's dump leaves empty is left out."""
    role, content = message["role"], message.get("content")
    if role not in _ROLES:
        raise InvalidRequestError(
            f"{at}.role {role!r} does not exist here; give the responses API's own items for tools", row=row
        )
    refusal = message.get("refusal")
    if content is None and isinstance(refusal, str):
        content = [{"type": "refusal", "refusal": refusal}]
    elif isinstance(content, list):
        content = [
            responses_part(part, f"{at}.content[{number}]", row, answered=role == "assistant")
            for number, part in enumerate(content)
        ]
    unknown = [name for name in message if name not in _OF_MESSAGES and message[name] and name != "refusal"]
    if unknown or content is None:
        field = unknown[0] if unknown else "content"
        raise InvalidRequestError(f"{at}.{field} is nothing that the responses API takes", row=row)
    return {**{name: message[name] for name in message if name in _OF_MESSAGES}, "content": content}
