"""Anthropic's messages in a batch: one request a line, `{"custom_id", "params"}`.

The endpoint takes no file but one body, `{"requests": […]}`; the worker's transport makes that of the
lines. Answers in JSON come as the input of a tool that the model is made to call, or, where a model
cannot be made to, as text in a given format.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from batchline_shared.dialects.answers import text_id
from batchline_shared.dialects.anthropic_caching import prompt_marker
from batchline_shared.dialects.anthropic_messages import Conversation, converted, joined
from batchline_shared.dialects.anthropic_models import (
    most_tokens,
    takes_forced_tools,
    takes_format,
    takes_last_word,
)
from batchline_shared.dialects.anthropic_options import (
    check_anthropic_options,
    check_body,
    thinks,
    unsampled,
)
from batchline_shared.dialects.anthropic_reasking import sent_back
from batchline_shared.dialects.anthropic_results import answer_text, classify
from batchline_shared.dialects.base import FileLine, Limits
from batchline_shared.dialects.messages import encode
from batchline_shared.dialects.sampling import check_sampling
from batchline_shared.errors import InvalidInputError, InvalidRequestError
from batchline_shared.schemas import anthropic_schema, anthropic_tool_schema, schema_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import BaseModel

    from batchline_shared.accounts import Account
    from batchline_shared.dialects.base import Dialect
    from batchline_shared.dialects.verdict import Verdict

__all__ = ["DIALECTS", "AnthropicMessages"]

_FOREIGN: Final = {"body": "openai", "request": "google", "key": "gemini"}


class AnthropicMessages:
    """The `/v1/messages` dialect; see `Dialect`."""

    provider = "anthropic"
    endpoint = "/v1/messages"
    conversation_field = "messages"
    id_field = "custom_id"
    one_template = False
    inputs = None
    prompt_marker = staticmethod(prompt_marker)

    def __init__(self, account: Account) -> None:
        """See `Dialect`."""
        # Anthropic's guide to batches, read 2026-09: 100,000 requests or 256 MB. The frame around
        # the lines takes 14 bytes; the rest of the margin is for a proxy that writes them anew.
        self.limits = Limits(max_requests=100_000, max_bytes=255_000_000).of(account)

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

        Anthropic demands `max_tokens`: where there is none, the model gets what it can do for sure.
        """
        most = most_tokens(model_name) if max_tokens is None else max_tokens
        fields = self.overrides(model_name, most, temperature, options)
        body = {"model": model_name, **{name: value for name, value in fields.items() if value is not None}}
        check_body(body)
        for name in unsampled(body):
            del body[name]
        return body if response_model is None else body | _answer_form(body, response_model)

    def structured(self, template: Mapping[str, Any]) -> bool:
        """See `Dialect`."""
        output = template.get("output_config")
        if isinstance(output, dict) and output.get("format") is not None:
            return True
        tools = template.get("tools")
        # Tools with a schema are the user's own, or ours; the provider's bring none.
        return isinstance(tools, list) and any(isinstance(t, dict) and "input_schema" in t for t in tools)

    def _prefill(self, body: Mapping[str, Any]) -> bool:
        return takes_last_word(str(body.get("model"))) and not self.structured(body)

    def encoder(self, template: Mapping[str, Any]) -> Callable[[Any, int], bytes]:
        """See `Dialect`."""
        prefill, system = self._prefill(template), template.get("system")

        def encoded(messages: Any, row: int) -> bytes:
            conversation = converted(messages, row, prefill=prefill)
            if system is None or conversation.system is None:
                return conversation.fragment(row)
            return encode(_beneath(system, conversation).fields(), row)

        return encoded

    def encode_request(
        self, messages: Any, overrides: Mapping[str, Any], template: Mapping[str, Any], row: int
    ) -> bytes:
        """See `Dialect`."""
        conversation = converted(messages, row, prefill=self._prefill(template))
        body = {**template, **overrides}
        try:
            check_body(body)
        except InvalidInputError as error:
            raise InvalidRequestError(str(error), row=row) from None
        fields = {**overrides, **dict.fromkeys(unsampled(body))}
        if "output_config" in overrides:
            # The job's may hold the format of its answers.
            fields["output_config"] = {
                **template.get("output_config", {}),
                **(overrides["output_config"] or {}),
            }
        if thinks(body) and "tools" in body:
            fields["tool_choice"] = {"type": "auto"}
        if body.get("system") is not None:
            conversation = _beneath(body["system"], conversation)
        return encode({**fields, **conversation.fields()}, row)

    def overrides(
        self, model_name: str, max_tokens: int | None, temperature: float | None, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """See `Dialect`."""
        del model_name  # what a model refuses is taken out of the whole body
        check_sampling(max_tokens, temperature, highest_temperature=1)
        check_anthropic_options(options)
        given = {"max_tokens": max_tokens, "temperature": temperature}
        return {**{name: value for name, value in given.items() if value is not None}, **options}

    def line_ends(self, template: bytes) -> tuple[bytes, bytes, bytes]:
        """See `Dialect`."""
        return b'{"custom_id":"', b'","params":%b,"messages":' % template[:-1], b"}}\n"

    def object_line(self, wire_id: str, template: Mapping[str, Any], row: bytes) -> bytes:
        """See `Dialect`."""
        body = {name: value for name, value in {**template, **orjson.loads(row)}.items() if value is not None}
        return orjson.dumps({"custom_id": wire_id, "params": body}) + b"\n"

    def read_line(self, line: Mapping[str, Any], model_name: str) -> FileLine:
        """See `Dialect`. Sampling parameters that the API would refuse are left out."""
        for key, provider in _FOREIGN.items():
            if key in line and "params" not in line:
                raise ValueError(f"this is a request for {provider}, not for {self.provider}")
        custom_id, params = line.get("custom_id"), line.get("params")
        if not isinstance(custom_id, str):
            raise ValueError("custom_id must be a string")  # noqa: TRY004 - one class for a bad line
        if not isinstance(params, dict):
            raise ValueError("params must be an object")  # noqa: TRY004 - one class for a bad line
        if params.get("model") != model_name:
            raise ValueError(f"params.model is {params.get('model')!r}, but the job is for {model_name!r}")
        if params.get("stream"):
            raise ValueError("params.stream: a batch cannot stream")
        if type(params.get("max_tokens")) is not int or params["max_tokens"] < 1:
            raise ValueError("params.max_tokens must be a whole number of at least 1: Anthropic demands it")
        try:
            check_body(params)
            conversation = _of_file(params, prefill=self._prefill(params))
            row = conversation.fragment(0)
        except InvalidRequestError as error:
            raise ValueError(f"params.{error.reason}") from None
        except InvalidInputError as error:
            raise ValueError(f"params.{error}") from None
        without = {"messages", "system", *unsampled(params)}
        common = {name: value for name, value in params.items() if name not in without}
        return FileLine(custom_id, common, conversation.fields(), row)

    def foreign_id(self, line: Mapping[str, Any]) -> str | None:
        """See `Dialect`."""
        return text_id(line.get(self.id_field))

    def kept(self, line: dict[str, Any], raw: bytes) -> bytes:
        """See `Dialect`. Anthropic echoes nothing."""
        del line
        return raw

    def classify(self, line: Mapping[str, Any], *, structured: bool) -> Verdict:
        """See `Dialect`."""
        return classify(line, structured=structured)

    def answer_text(self, line: Mapping[str, Any], *, structured: bool) -> str | None:
        """See `Dialect`."""
        return answer_text(line, structured=structured)

    def reask(self, line: Mapping[str, Any], said: str) -> bytes | None:
        """See `Dialect`."""
        return sent_back(line, said)


def _answer_form(body: Mapping[str, Any], response_model: type[BaseModel]) -> dict[str, Any]:
    """The fields that make a model answer in JSON.

    Raises:
        SchemaError: Anthropic would refuse the response model in the form that the model takes.
    """
    model_name, thinking = str(body["model"]), thinks(body)
    forced = takes_forced_tools(model_name) and not thinking
    if not forced and takes_format(model_name):
        form = {"type": "json_schema", "schema": anthropic_schema(response_model)}
        return {"output_config": {**body.get("output_config", {}), "format": form}}
    name, schema = schema_name(response_model), anthropic_tool_schema(response_model)
    tool = {"name": name, "description": "Give the answer by calling this tool.", "input_schema": schema}
    choice = {"type": "tool", "name": name} if forced else {"type": "auto"}
    return {"tools": [tool], "tool_choice": {**choice, "disable_parallel_tool_use": True}}


def _beneath(system: Any, conversation: Conversation) -> Conversation:
    """Put the job's system prompt before the conversation's own."""
    own = [] if conversation.system is None else [conversation.system]
    return conversation._replace(system=joined([system, *own]))


def _of_file(params: Mapping[str, Any], *, prefill: bool) -> Conversation:
    """Read the conversation out of a user's line, its system prompt included."""
    conversation = converted(params.get("messages"), 0, prefill=prefill)
    if params.get("system") is None:
        return conversation
    check_anthropic_options({"system": params["system"]})
    return _beneath(params["system"], conversation)


DIALECTS: Final[Mapping[str, Callable[[Account], Dialect]]] = {AnthropicMessages.endpoint: AnthropicMessages}
"""Endpoint → its dialect; the first is the default."""
