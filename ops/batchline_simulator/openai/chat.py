"""`/v1/chat/completions` inside a batch."""

import random
from typing import Any

import orjson

from batchline_simulator.openai.endpoint import Body
from batchline_simulator.openai.errors import RowError, envelope, invalid_value, missing
from batchline_simulator.openai.objects import Usage, random_text
from batchline_simulator.openai.strict_schema import strict_violation
from batchline_simulator.responder import Answer, Question
from batchline_simulator.tokens import tokens_in

_ROLES = ("system", "assistant", "user", "function", "tool", "developer")
_ANY_OBJECT = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
_CHARS_PER_TOKEN = 4
_MAX_CACHED = 256


class ChatCompletions:
    """The chat endpoint; implements `Endpoint`."""

    path = "/v1/chat/completions"

    def __init__(self) -> None:
        # A batch repeats a few schemas thousands of times.
        self._violations: dict[bytes, str | None] = {}

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
        return sum(tokens_in(_text(message)) for message in body["messages"])

    def rejection(self, body: Body) -> RowError | None:
        """Check the messages, the token limits and the response format."""
        return (
            _bad_messages(body["messages"])
            or _bad_limits(body)
            or self._bad_format(body.get("response_format"))
        )

    def question(self, custom_id: str, body: Body, raw: bytes) -> Question:
        """Take the schema out of `response_format`."""
        given = body.get("response_format") or {}
        schemas: dict[str, Any] = {"json_object": _ANY_OBJECT}
        if given.get("type") == "json_schema":
            schemas["json_schema"] = given["json_schema"].get("schema", _ANY_OBJECT)
        return Question(custom_id, body, raw, schemas.get(str(given.get("type"))))

    def reply(self, body: Body, answer: Answer, *, now: int, rng: random.Random) -> tuple[Body, Usage]:
        """Write a `chat.completion`, cut at the token limit that the request names."""
        text, finish = answer.text, answer.finish
        limit = body.get("max_completion_tokens") or body.get("max_tokens")
        if finish == "stop" and limit is not None and tokens_in(text) > limit:
            text, finish = text[: limit * _CHARS_PER_TOKEN], "length"
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
        wanted = given.get("json_schema")
        if not isinstance(wanted, dict):
            return missing("response_format.json_schema")
        for part in ("name", "schema"):
            if part not in wanted:
                return missing(f"response_format.json_schema.{part}")
        violation = self._violation(str(wanted["name"]), wanted["schema"]) if wanted.get("strict") else None
        if violation is None:
            return None
        return RowError(
            400, envelope(violation, param="response_format", code="invalid_json_schema")["error"]
        )

    def _violation(self, name: str, schema: Any) -> str | None:
        key = name.encode() + b"\0" + orjson.dumps(schema)
        if key not in self._violations:
            if len(self._violations) >= _MAX_CACHED:
                self._violations.clear()
            self._violations[key] = strict_violation(name, schema)
        return self._violations[key]


def _text(message: Any) -> str:
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _bad_messages(messages: list[Any]) -> RowError | None:
    for place, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role is None:
            return missing(f"messages[{place}].role")
        if role not in _ROLES:
            known = ", ".join(f"'{known}'" for known in _ROLES[:-1])
            text = f"Invalid value: '{role}'. Supported values are: {known}, and '{_ROLES[-1]}'."
            return RowError(
                400, envelope(text, param=f"messages[{place}].role", code="invalid_value")["error"]
            )
    return None


def _bad_limits(body: Body) -> RowError | None:
    for param in ("max_tokens", "max_completion_tokens"):
        value = body.get(param)
        if value is None:
            continue
        if not isinstance(value, int):
            return invalid_value(param, "expected an integer.", "invalid_type")
        if value < 1:
            problem = f"integer below minimum value. Expected a value >= 1, but got {value} instead."
            return invalid_value(param, problem, "integer_below_min_value")
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
