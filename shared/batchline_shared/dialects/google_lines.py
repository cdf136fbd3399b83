"""What the lines of both of Google's batch APIs have in common: `{id, "request": GenerateContentRequest}`.

The model is no part of a line. Vertex AI loads all lines of a job into one table,
so what it could not load is refused before it is enqueued; the Gemini API reads
each line by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from batchline_shared.dialects.answers import text_id
from batchline_shared.dialects.base import FileLine
from batchline_shared.dialects.google_contents import camel, converted
from batchline_shared.dialects.google_options import (
    CONFIG,
    checked_config,
    checked_fields,
    sorted_options,
)
from batchline_shared.dialects.google_results import answer_text, classify
from batchline_shared.dialects.messages import encode
from batchline_shared.dialects.reasking import turns
from batchline_shared.dialects.sampling import check_sampling
from batchline_shared.errors import InvalidInputError, InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import BaseModel

    from batchline_shared.accounts import Account
    from batchline_shared.dialects.base import Limits
    from batchline_shared.dialects.google_contents import Conversation
    from batchline_shared.dialects.verdict import Verdict

__all__ = ["GoogleLines"]

_JSON: Final = "application/json"

_SYSTEM: Final = "systemInstruction"

_HIGHEST_TEMPERATURE: Final = 2


class GoogleLines:
    """Lines of one of the two APIs; a subclass says what sets it apart."""

    provider: str
    endpoint = "/generateContent"
    conversation_field = "contents"
    id_field: str
    one_template: bool
    inputs = None
    prompt_marker = None
    most: Limits
    """What a batch may hold where the account does not say otherwise."""
    reserved: Mapping[str, str]
    """Body fields that the API's batches do not take, and why."""
    foreign: Mapping[str, str]
    """Field of another provider's line → that provider."""

    def __init__(self, account: Account) -> None:
        """See `Dialect`."""
        self.limits = self.most.of(account)

    def schema(self, response_model: type[BaseModel]) -> dict[str, Any]:
        """The response schema of a model.

        Raises:
            SchemaError: The API would refuse it.
        """
        raise NotImplementedError

    def check_fields(self, fields: Mapping[str, Any]) -> None:
        """Refuse fields of a body, contents included, that the API could not take although they are known.

        Raises:
            ValueError: Names the path and the reason.
        """

    def template(
        self,
        model_name: str,
        response_model: type[BaseModel] | None,
        *,
        max_tokens: int | None,
        temperature: float | None,
        options: Mapping[str, Any],
    ) -> dict[str, Any]:
        """See `Dialect`."""
        body = _without_nulls(self.overrides(model_name, max_tokens, temperature, options))
        if response_model is not None:
            made = {"responseMimeType": _JSON, "responseSchema": self.schema(response_model)}
            body[CONFIG] = {**body.get(CONFIG, {}), **made}
        return body

    def structured(self, template: Mapping[str, Any]) -> bool:
        """See `Dialect`."""
        config = template.get(CONFIG)
        return isinstance(config, dict) and config.get("responseMimeType") == _JSON

    def encoder(self, template: Mapping[str, Any]) -> Callable[[Any, int], bytes]:
        """See `Dialect`."""
        instructed = _SYSTEM in template

        def encoded(messages: Any, row: int) -> bytes:
            talk = self._conversation(messages, row)
            if talk.system is not None and instructed:
                raise _two_instructions(row)
            try:
                return talk.fragment()
            except TypeError as error:
                raise InvalidRequestError(f"cannot be written as JSON: {error}", row=row) from None

        return encoded

    def encode_request(
        self, messages: Any, overrides: Mapping[str, Any], template: Mapping[str, Any], row: int
    ) -> bytes:
        """See `Dialect`. Parameters of generation win one by one over the template's."""
        talk = self._conversation(messages, row)
        fields = dict(overrides)
        if talk.system is not None and fields.get(_SYSTEM, template.get(_SYSTEM)) is not None:
            raise _two_instructions(row)
        if CONFIG in fields:
            merged = {CONFIG: {**template.get(CONFIG, {}), **fields[CONFIG]}}
            fields[CONFIG] = _without_nulls(merged).get(CONFIG)
        return encode({**fields, **talk.fields()}, row)

    def overrides(
        self, model_name: str, max_tokens: int | None, temperature: float | None, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """See `Dialect`."""
        del model_name
        check_sampling(max_tokens, temperature, highest_temperature=_HIGHEST_TEMPERATURE)
        given = {"maxOutputTokens": max_tokens, "temperature": temperature}
        sampling = checked_config({name: value for name, value in given.items() if value is not None}, {})
        body = sorted_options(options, self.reserved)
        if sampling:
            body[CONFIG] = {**sampling, **(body.get(CONFIG) or {})}
        try:
            self.check_fields(_without_nulls(body))
        except ValueError as error:
            raise InvalidInputError(f"option {error}") from None
        return body

    def line_ends(self, template: bytes) -> tuple[bytes, bytes, bytes]:
        """See `Dialect`."""
        fields = template[:-1] + (b"," if len(template) > len(b"{}") else b"")
        return b'{"%b":"' % self.id_field.encode(), b'","request":%b"contents":' % fields, b"}}\n"

    def object_line(self, wire_id: str, template: Mapping[str, Any], row: bytes) -> bytes:
        """See `Dialect`."""
        body = {name: value for name, value in {**template, **orjson.loads(row)}.items() if value is not None}
        return orjson.dumps({self.id_field: wire_id, "request": body}) + b"\n"

    def read_line(self, line: Mapping[str, Any], model_name: str) -> FileLine:
        """See `Dialect`."""
        wire_id, body = self._opened(line, model_name)
        try:
            talk = self._conversation(body.pop("contents", None), 0)
            fields = _without_nulls(checked_fields(body, self.reserved, unset={}))
            system = fields.pop(_SYSTEM, None)
            if system is not None and talk.system is not None:
                raise _two_instructions(0)
            self.check_fields(fields)
            talk = talk._replace(system=talk.system or system)
            return FileLine(wire_id, fields, talk.fields(), talk.fragment())
        except InvalidRequestError as error:
            raise ValueError(f"request.contents {error.reason}") from None
        except InvalidInputError as error:
            raise ValueError(f"request: {error}") from None
        except (RecursionError, TypeError):  # what orjson reads may be too deep for it to write
            raise ValueError("request is nested too deeply") from None

    def _opened(self, line: Mapping[str, Any], model_name: str) -> tuple[str, dict[str, Any]]:
        """Take the id and the request out of a line, and respell the request's own fields."""
        for key, provider in self.foreign.items():
            if key in line and self.id_field not in line:
                raise ValueError(f"this is a request for {provider}, not for {self.provider}")
        wire_id, request = line.get(self.id_field), line.get("request")
        if not isinstance(wire_id, str):
            raise ValueError(f"{self.id_field} must be a string")  # noqa: TRY004 - one class for a bad line
        if not isinstance(request, dict):
            raise ValueError("request must be an object")  # noqa: TRY004 - one class for a bad line
        body = {camel(name): value for name, value in request.items()}
        named = body.pop("model", model_name)
        if named != model_name and str(named).rpartition("/")[2] != model_name:
            raise ValueError(f"request.model is {named!r}, but the job is for {model_name!r}")
        return wire_id, body

    def foreign_id(self, line: Mapping[str, Any]) -> str | None:
        """See `Dialect`."""
        return text_id(line.get(self.id_field))

    def kept(self, line: dict[str, Any], raw: bytes) -> bytes:
        """See `Dialect`. Nothing is echoed here, but by Vertex AI."""
        del line
        return raw

    def classify(self, line: Mapping[str, Any], *, structured: bool) -> Verdict:
        """See `Dialect`."""
        return classify(line, structured=structured)

    def answer_text(self, line: Mapping[str, Any], *, structured: bool) -> str | None:
        """See `Dialect`."""
        return answer_text(line, structured=structured)

    def reask(self, line: Mapping[str, Any], said: str) -> bytes | None:
        """See `Dialect`. Thoughts and their signatures stay behind: only calls to tools need them."""
        text = answer_text(line, structured=False)
        if text is None or not text.strip():
            return None
        return turns(
            {"role": "model", "parts": [{"text": text}]}, {"role": "user", "parts": [{"text": said}]}
        )

    def _conversation(self, messages: Any, row: int) -> Conversation:
        try:
            talk = converted(messages, row)
            if not talk.plain:
                self.check_fields(talk.fields())
        except InvalidRequestError:
            raise
        except ValueError as error:
            raise InvalidRequestError(str(error), row=row) from None
        except RecursionError:
            raise InvalidRequestError("is nested too deeply", row=row) from None
        return talk


def _without_nulls(body: Mapping[str, Any]) -> dict[str, Any]:
    """A body without the fields, and the parameters of generation, that it is to go without."""
    fields = {name: value for name, value in body.items() if value is not None}
    if CONFIG in fields:
        config = {name: value for name, value in fields.pop(CONFIG).items() if value is not None}
        fields |= {CONFIG: config} if config else {}
    return fields


def _two_instructions(row: int) -> InvalidRequestError:
    return InvalidRequestError(
        "has a system message although a systemInstruction is given; leave one of them out", row=row
    )
