"""OpenAI's batch file: chat completions with strict structured output."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import orjson

from batchline_shared.dialects.base import FileLine, Limits
from batchline_shared.dialects.messages import check_messages, encode
from batchline_shared.dialects.openai_results import answer_text, classify
from batchline_shared.errors import InvalidInputError, InvalidRequestError
from batchline_shared.schemas import schema_name, strict_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from batchline_shared.dialects.verdict import Verdict

__all__ = ["OpenAIChat"]

_REASONING: Final = re.compile(r"(?:ft:)?(?:o[1-9]|gpt-(?:[5-9]|\d\d))")
"""Models that refuse `max_tokens` and any `temperature` but 1 (by name; OpenAI publishes no flag)."""

_RESERVED: Final = {
    "messages": "give them as the request's messages",
    "model": "give it as 'provider/model-name'",
    "n": "a request has one outcome, so one choice",
    "stream": "a batch cannot stream",
    "stream_options": "a batch cannot stream",
    "tools": "an answer must be the result, not a call to a tool",
    "functions": "an answer must be the result, not a call to a function",
    "response_format": "it is made from the response model",
}

_FOREIGN: Final = {"params": "anthropic", "request": "google", "key": "gemini"}


class OpenAIChat:
    """The `/v1/chat/completions` dialect; see `Dialect`."""

    provider = "openai"
    endpoint = "/v1/chat/completions"
    limits = Limits(max_requests=50_000, max_bytes=200_000_000)
    """Source: OpenAI's Batch guide, read 2026-09-26 (50,000 requests, 200 MB)."""

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
        body: dict[str, Any] = {"model": model_name}
        body.update(self._sampling(model_name, max_tokens, temperature))
        for name, value in options.items():
            if name in _RESERVED:
                raise InvalidInputError(f"option {name!r} cannot be set: {_RESERVED[name]}")
            body[name] = value
        if response_model is not None:
            schema = {
                "name": schema_name(response_model),
                "strict": True,
                "schema": strict_schema(response_model),
            }
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    @staticmethod
    def _sampling(model_name: str, max_tokens: int | None, temperature: float | None) -> dict[str, Any]:
        if max_tokens is not None and not (_is_number(max_tokens, int) and max_tokens >= 1):
            raise InvalidInputError(f"max_tokens must be a whole number of at least 1, not {max_tokens!r}")
        if temperature is not None and not (
            _is_number(temperature, int | float) and 0 <= temperature <= 2  # noqa: PLR2004 - OpenAI's range
        ):
            raise InvalidInputError(f"temperature must be a number between 0 and 2, not {temperature!r}")
        reasoning = _REASONING.match(model_name) is not None
        fields: dict[str, Any] = {}
        if max_tokens is not None:
            fields["max_completion_tokens" if reasoning else "max_tokens"] = max_tokens
        if temperature is not None and not reasoning:
            fields["temperature"] = temperature
        return fields

    def encode_messages(self, messages: Any, row: int) -> bytes:
        """See `Dialect`."""
        check_messages(messages, row)
        return encode(messages, row)

    def encode_request(self, messages: Any, overrides: Mapping[str, Any], row: int) -> bytes:
        """See `Dialect`."""
        check_messages(messages, row)
        for name in overrides:
            if name in _RESERVED:
                raise InvalidRequestError(f"option {name!r} cannot be set: {_RESERVED[name]}", row=row)
        return encode({**overrides, "messages": messages}, row)

    def overrides(
        self, model_name: str, max_tokens: int | None, temperature: float | None, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """See `Dialect`."""
        return {**self._sampling(model_name, max_tokens, temperature), **options}

    def line_ends(self, template: bytes) -> tuple[bytes, bytes, bytes]:
        """See `Dialect`."""
        middle = (
            b'","method":"POST","url":"'
            + self.endpoint.encode()
            + b'","body":'
            + template[:-1]
            + b',"messages":'
        )
        return b'{"custom_id":"', middle, b"}}\n"

    def object_line(self, wire_id: str, template: Mapping[str, Any], row: bytes) -> bytes:
        """See `Dialect`. A field that the row sets to null is left out: the row is to go without it."""
        body = {name: value for name, value in {**template, **orjson.loads(row)}.items() if value is not None}
        line = {"custom_id": wire_id, "method": "POST", "url": self.endpoint, "body": body}
        return orjson.dumps(line) + b"\n"

    def read_line(self, line: Mapping[str, Any], model_name: str) -> FileLine:
        """See `Dialect`."""
        for key, provider in _FOREIGN.items():
            if key in line and "body" not in line:
                raise ValueError(f"this is a request for {provider}, not for {self.provider}")
        custom_id, body = line.get("custom_id"), line.get("body")
        if not isinstance(custom_id, str):
            raise ValueError("custom_id must be a string")  # noqa: TRY004 - one class for a bad line
        if line.get("method") != "POST":
            raise ValueError('method must be "POST"')
        if line.get("url") != self.endpoint:
            raise ValueError(f'url must be "{self.endpoint}", not {line.get("url")!r}')
        if not isinstance(body, dict):
            raise ValueError("body must be an object")  # noqa: TRY004 - one class for a bad line
        if body.get("model") != model_name:
            raise ValueError(f"body.model is {body.get('model')!r}, but the job is for {model_name!r}")
        if body.get("stream"):
            raise ValueError("body.stream: a batch cannot stream")
        common = dict(body)
        messages = common.pop("messages", None)
        try:
            return FileLine(custom_id, common, self.encode_messages(messages, 0))
        except InvalidRequestError as error:
            raise ValueError(f"body.{error.reason}") from None

    def classify(self, line: Mapping[str, Any], *, structured: bool) -> Verdict:
        """See `Dialect`."""
        return classify(line, structured=structured)

    def answer_text(self, line: Mapping[str, Any], *, structured: bool) -> str | None:
        """See `Dialect`."""
        return answer_text(line, structured=structured)


def _is_number(value: Any, kinds: Any) -> bool:
    # A bool is an int to isinstance, and `true` is no number of tokens.
    return isinstance(value, kinds) and not isinstance(value, bool)
