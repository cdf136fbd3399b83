"""What the endpoints read and check alike: text, counts, words from a closed list."""

from collections.abc import Sequence
from typing import Any

from batchline_simulator.openai.endpoint import Body
from batchline_simulator.openai.errors import RowError, envelope, invalid_value
from batchline_simulator.tokens import tokens_in

ANY_OBJECT = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
"""Stands for the schema of a request that asks for just any JSON object."""

_CHARS_PER_TOKEN = 4


def text_of(message: Any) -> str:
    """Return the text of a message, be its content a string or a list of parts; images count nothing."""
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def cut_to(text: str, limit_tokens: int) -> str:
    """Return as much of a text as fits into a number of tokens."""
    return text if tokens_in(text) <= limit_tokens else text[: limit_tokens * _CHARS_PER_TOKEN]


def bad_count(body: Body, param: str, *, lowest: int) -> RowError | None:
    """Refuse a count that is no integer or below the lowest; an absent one is fine."""
    value = body.get(param)
    if value is None:
        return None
    if not isinstance(value, int):
        return invalid_value(param, "expected an integer.", "invalid_type")
    if value < lowest:
        problem = f"integer below minimum value. Expected a value >= {lowest}, but got {value} instead."
        return invalid_value(param, problem, "integer_below_min_value")
    return None


def unknown_word(word: Any, known: Sequence[str], param: str) -> RowError | None:
    """Refuse a word that is not in the provider's list."""
    if word in known:
        return None
    listed = ", ".join(f"'{one}'" for one in known[:-1])
    text = f"Invalid value: '{word}'. Supported values are: {listed}, and '{known[-1]}'."
    return RowError(400, envelope(text, param=param, code="invalid_value")["error"])
