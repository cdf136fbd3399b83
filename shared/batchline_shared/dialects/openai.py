"""OpenAI's chat completions in a batch, with strict structured output; and the table of all endpoints."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from batchline_shared.dialects.messages import check_messages
from batchline_shared.dialects.openai_embeddings import OpenAIEmbeddings
from batchline_shared.dialects.openai_lines import OpenAILines, is_reasoning
from batchline_shared.dialects.openai_options import (
    COMMON_RULES,
    EFFORT,
    LINE_FIELDS,
    Rule,
    flag,
    mapping,
    number,
    texts,
    whole,
    words,
)
from batchline_shared.dialects.openai_parts import check_parts
from batchline_shared.dialects.openai_responses import OpenAIResponses
from batchline_shared.dialects.sampling import check_sampling
from batchline_shared.schemas import schema_name, strict_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import BaseModel

    from batchline_shared.accounts import Account
    from batchline_shared.dialects.base import Dialect

__all__ = ["DIALECTS", "OpenAIChat"]

_ANSWER = "an answer must be the result, not a call to a tool"

_RESERVED: Final[Mapping[str, str]] = MappingProxyType(
    {
        **LINE_FIELDS,
        "messages": "give them as the request's messages",
        "n": "a request has one outcome, so one choice",
        "tools": _ANSWER,
        "tool_choice": _ANSWER,
        "parallel_tool_calls": _ANSWER,
        "functions": _ANSWER,
        "function_call": _ANSWER,
        "audio": "an answer is text",
        "response_format": "it is made from the response model",
    }
)


_A_FEW_TEXTS = texts(1, 4)

_RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        **COMMON_RULES,
        "frequency_penalty": number(-2, 2),
        "logit_bias": mapping,
        "logprobs": flag,
        "max_completion_tokens": whole(1),
        "max_tokens": whole(1),
        "modalities": Rule('["text"], as an answer is text', lambda value: value == ["text"]),
        "prediction": mapping,
        "presence_penalty": number(-2, 2),
        "reasoning_effort": EFFORT,
        "stop": Rule(
            f"text or {_A_FEW_TEXTS.expected}",
            lambda value: isinstance(value, str) or _A_FEW_TEXTS.holds(value),
        ),
        "verbosity": words("low", "medium", "high"),
        "web_search_options": mapping,
    }
)


class OpenAIChat(OpenAILines):
    """The `/v1/chat/completions` dialect; see `Dialect`."""

    endpoint = "/v1/chat/completions"
    conversation_field = "messages"
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
        """See `Dialect`.

        Reasoning models refuse `max_tokens` and `temperature`; they get
        `max_completion_tokens`, and no temperature.
        """
        body = {"model": model_name, **self.overrides(model_name, max_tokens, temperature, options)}
        if response_model is not None:
            schema = {
                "name": schema_name(response_model),
                "strict": True,
                "schema": strict_schema(response_model),
            }
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def structured(self, template: Mapping[str, Any]) -> bool:
        """See `Dialect`."""
        form = template.get("response_format")
        return isinstance(form, dict) and form.get("type") in ("json_schema", "json_object")

    def conversation(self, given: Any, row: int) -> Any:
        """See `OpenAILines`."""
        check_messages(given, row)
        for place, message in enumerate(given):
            content = message.get("content")
            if content.__class__ is list:
                check_parts(content, f"messages[{place}].content", row)
        return given

    def overrides(
        self, model_name: str, max_tokens: int | None, temperature: float | None, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """See `Dialect`."""
        self.check_options(options)
        return {**_sampling(model_name, max_tokens, temperature), **options}


def _sampling(model_name: str, max_tokens: int | None, temperature: float | None) -> dict[str, Any]:
    check_sampling(max_tokens, temperature, highest_temperature=2)
    reasoning = is_reasoning(model_name)
    fields: dict[str, Any] = {}
    if max_tokens is not None:
        fields["max_completion_tokens" if reasoning else "max_tokens"] = max_tokens
    if temperature is not None and not reasoning:
        fields["temperature"] = temperature
    return fields


DIALECTS: Final[Mapping[str, Callable[[Account], Dialect]]] = MappingProxyType(
    {speech.endpoint: speech for speech in (OpenAIChat, OpenAIResponses, OpenAIEmbeddings)}
)
"""Endpoint → its dialect; the first is the default."""
