"""`/v1/responses` inside a batch.

A request that asks for reasoning gets a reasoning item before its message, and
the tokens of that count against `max_output_tokens`: where they use it up,
the reply is incomplete and has no message at all.
"""

import random
from typing import Any

from batchline_simulator.openai.endpoint import Body
from batchline_simulator.openai.errors import RowError
from batchline_simulator.openai.objects import Usage
from batchline_simulator.openai.parameters import ANY_OBJECT, bad_count, text_of
from batchline_simulator.openai.response_input import rejected_input
from batchline_simulator.openai.response_object import response_object
from batchline_simulator.openai.strict_formats import StrictFormats
from batchline_simulator.responder import Answer, Question
from batchline_simulator.tokens import tokens_in

_LOWEST_LIMIT = 16


class Responses:
    """The responses endpoint; implements `Endpoint`."""

    path = "/v1/responses"

    def __init__(self) -> None:
        self._formats = StrictFormats("text.format", schema_param="text.format.schema")

    def problem(self, body: Body) -> tuple[str, str, str] | None:
        """Return what fails the whole batch; these wordings are those of chat, unverified here."""
        if body.get("stream"):
            message = "Responses: Streaming is not supported in the Batch API."
            return "streaming_unsupported", message, "body.stream"
        return None

    def prompt_tokens(self, body: Body) -> int:
        """Count the instructions and the text of every item."""
        return sum(tokens_in(text) for _, text in _messages(body))

    def inputs(self, body: Body) -> int:
        """Count nothing: a conversation is one input, and lines have a limit of their own."""
        del body
        return 0

    def rejection(self, body: Body) -> RowError | None:
        """Check the input, the token limit and the text format."""
        return (
            rejected_input(body)
            or bad_count(body, "max_output_tokens", lowest=_LOWEST_LIMIT)
            or self._bad_format(_format(body))
        )

    def question(self, custom_id: str, body: Body, raw: bytes) -> Question:
        """Take the schema out of `text.format`."""
        given = _format(body)
        schemas = {"json_object": ANY_OBJECT, "json_schema": given.get("schema", ANY_OBJECT)}
        schema = schemas.get(str(given.get("type")))
        return Question(custom_id, body, raw, schema, _messages(body), str(body["model"]))

    def reply(self, body: Body, answer: Answer, *, now: int, rng: random.Random) -> tuple[Body, Usage]:
        """Write a `response`, incomplete at the token limit that the request names."""
        return response_object(body, answer, prompt=self.prompt_tokens(body), now=now, rng=rng)

    def _bad_format(self, given: Body) -> RowError | None:
        return self._formats.rejection(given) if given.get("type") == "json_schema" else None


def _messages(body: Body) -> tuple[tuple[str, str], ...]:
    """Return role and text of the instructions and of every item that is a message."""
    given, instructions = body.get("input"), body.get("instructions")
    first = [("system", instructions)] if isinstance(instructions, str) else []
    if isinstance(given, str):
        return (*first, ("user", given))
    items = given if isinstance(given, list) else []
    return (*first, *((str(item["role"]), text_of(item)) for item in items if _is_message(item)))


def _is_message(item: Any) -> bool:
    return isinstance(item, dict) and "role" in item


def _format(body: Body) -> dict[str, Any]:
    text = body.get("text")
    given = text.get("format") if isinstance(text, dict) else None
    return given if isinstance(given, dict) else {}
