"""`/v1/chat/completions` inside a batch."""

import random
from typing import Any

from batchline_simulator.openai.endpoint import Body
from batchline_simulator.openai.errors import RowError, missing
from batchline_simulator.openai.objects import Usage, random_text
from batchline_simulator.openai.parameters import ANY_OBJECT, bad_count, cut_to, text_of, unknown_word
from batchline_simulator.openai.strict_formats import StrictFormats
from batchline_simulator.responder import Answer, Question
from batchline_simulator.tokens import tokens_in

_ROLES = ("system", "assistant", "user", "function", "tool", "developer")


class ChatCompletions:
    """The chat endpoint; implements `Endpoint`."""

    path = "/v1/chat/completions"

    def __init__(self) -> None:
        self._formats = StrictFormats("response_format.json_schema", schema_param="response_format")

    def problem(self, body: Body) -> tuple[str, str, str] | None:
        """Return what fails the whole batch."""
        if not isinstance(body.get("messages"), list):
            return "invalid_request", "Messages parameter is required.", "body.messages"
        if body.get("stream"):
            message = "Chat Completions: Streaming is not supported in the Batch API."
            return "streaming_unsupported", message, "body.stream"
        return None

    def prompt_tokens(self, body: Body) -> int:
        """Count the text of the messages; a schema is not billed here."""
        return sum(tokens_in(text_of(message)) for message in body["messages"])

    def inputs(self, body: Body) -> int:
        """Count nothing: a conversation is one input, and lines have a limit of their own."""
        del body
        return 0

    def rejection(self, body: Body) -> RowError | None:
        """Check the messages, the token limits and the response format."""
        return (
            _bad_messages(body["messages"])
            or bad_count(body, "max_tokens", lowest=1)
            or bad_count(body, "max_completion_tokens", lowest=1)
            or self._bad_format(body.get("response_format"))
        )

    def question(self, custom_id: str, body: Body, raw: bytes) -> Question:
        """Take the schema out of `response_format`."""
        given = body.get("response_format") or {}
        schemas: dict[str, Any] = {"json_object": ANY_OBJECT}
        if given.get("type") == "json_schema":
            schemas["json_schema"] = given["json_schema"].get("schema", ANY_OBJECT)
        schema = schemas.get(str(given.get("type")))
        messages = tuple((str(message["role"]), text_of(message)) for message in body["messages"])
        return Question(custom_id, body, raw, schema, messages, str(body["model"]))

    def reply(self, body: Body, answer: Answer, *, now: int, rng: random.Random) -> tuple[Body, Usage]:
        """Write a `chat.completion`, cut at the token limit that the request names."""
        text, finish = answer.text, answer.finish
        limit = body.get("max_completion_tokens") or body.get("max_tokens")
        if finish == "stop" and limit is not None and tokens_in(text) > limit:
            text, finish = cut_to(text, limit), "length"
        refusal = finish == "refusal"
        message = {
            "role": "assistant",
            "content": None if refusal else text,
            "refusal": text if refusal else None,
        }
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": "stop" if refusal else finish,
        }
        prompt, completion = self.prompt_tokens(body), tokens_in(text)
        completed = {
            "id": f"chatcmpl-{random_text(rng, 29)}",
            "object": "chat.completion",
            "created": now,
            "model": body["model"],
            "choices": [choice],
            "usage": _usage(prompt, completion),
            "service_tier": "default",
            "system_fingerprint": None,
        }
        return completed, (prompt, completion)

    def _bad_format(self, given: Any) -> RowError | None:
        if not isinstance(given, dict) or given.get("type") != "json_schema":
            return None
        return self._formats.rejection(given.get("json_schema"))


def _bad_messages(messages: list[Any]) -> RowError | None:
    for place, message in enumerate(messages):
        role, param = message.get("role") if isinstance(message, dict) else None, f"messages[{place}].role"
        bad = missing(param) if role is None else unknown_word(role, _ROLES, param)
        if bad is not None:
            return bad
    return None


def _usage(prompt: int, completion: int) -> Body:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
