"""OpenAI's `/v1/embeddings` in a batch: a request is a text, or several that are answered together.

Answers are vectors, so they are read as JSON: a list of numbers, or for a request of several texts a
list of such lists.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import orjson

from batchline_shared.dialects.openai_lines import OpenAILines
from batchline_shared.dialects.openai_options import LINE_FIELDS, Rule, text, whole, words
from batchline_shared.errors import InvalidInputError, InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

__all__ = ["OpenAIEmbeddings"]

_MAX_INPUTS: Final = 2048
"""Texts in one request. Source: the openai package's `EmbeddingCreateParams`, 3.54.0."""

_TEXT: Final = ord('"')

_UNSET_MAX_TOKENS: Final = (None, 1000)
_UNSET_TEMPERATURE: Final = (None, 0.1)
"""What `enqueue` gives where its caller says nothing: no wish that an embedding could not fulfil."""


def _inputs(row: bytes) -> int:
    """Count the texts of a row: a batch may hold as many as it may hold requests."""
    if row[0] == _TEXT:
        return 1
    value = orjson.loads(row)
    given = value["input"] if isinstance(value, dict) else value
    return 1 if isinstance(given, str) or _is_tokens(given) else len(given)


def _is_tokens(value: Any) -> bool:
    """Whether this is one text as its tokens, which the endpoint takes too."""
    return isinstance(value, list) and bool(value) and all(type(token) is int for token in value)


class OpenAIEmbeddings(OpenAILines):
    """The `/v1/embeddings` dialect; see `Dialect`."""

    endpoint = "/v1/embeddings"
    conversation_field = "input"
    inputs = staticmethod(_inputs)
    reserved: Mapping[str, str] = MappingProxyType(
        {
            **LINE_FIELDS,
            "input": "give the texts as the requests",
            "messages": "an embedding has texts, no messages; give them as the requests",
            "response_format": "an embedding is a vector",
        }
    )
    rules: Mapping[str, Rule] = MappingProxyType(
        {"dimensions": whole(1), "encoding_format": words("float", "base64"), "user": text()}
    )

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
        if response_model is not None:
            raise InvalidInputError(f"{self.endpoint} gives vectors: the response model must be None")
        return {"model": model_name, **self.overrides(model_name, max_tokens, temperature, options)}

    def structured(self, template: Mapping[str, Any]) -> bool:
        """See `Dialect`. A vector is written as JSON."""
        del template
        return True

    def conversation(self, given: Any, row: int) -> Any:
        """See `OpenAILines`."""
        if given.__class__ is str:
            if given:
                return given
            raise InvalidRequestError("the text is empty", row=row)
        if not isinstance(given, list | tuple):
            raise InvalidRequestError(
                f"expected a text or a list of texts, got {type(given).__name__}", row=row
            )
        if not given:
            raise InvalidRequestError("the list of texts is empty", row=row)
        if not _is_tokens(given):
            most = min(_MAX_INPUTS, self.limits.max_requests)
            if len(given) > most:
                raise InvalidRequestError(f"has {len(given)} texts; at most {most}", row=row)
            for number, one in enumerate(given):
                if not one or not (isinstance(one, str) or _is_tokens(one)):
                    raise InvalidRequestError(f"input[{number}] must be a text that is not empty", row=row)
        return given

    def overrides(
        self, model_name: str, max_tokens: int | None, temperature: float | None, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """See `Dialect`. Only what `enqueue` gives by itself is borne of the sampling parameters."""
        del model_name
        for name, value, unset in (
            ("max_tokens", max_tokens, _UNSET_MAX_TOKENS),
            ("temperature", temperature, _UNSET_TEMPERATURE),
        ):
            if isinstance(value, bool) or value not in unset:
                raise InvalidInputError(f"{name} must not be set: {self.endpoint} generates no text")
        self.check_options(options)
        return dict(options)
