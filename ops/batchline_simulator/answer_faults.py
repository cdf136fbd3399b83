"""How each answer fault changes what a model would have said.

They work on any responder's answer, as none of them needs to know how it came about.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from batchline_simulator.responder import Answer, Question

LINE_SEPARATOR = "\u2028"


def broken_answer(kind: str, question: Question, answer: Answer) -> Answer:
    """Return the answer as the fault `kind` leaves it."""
    return _CHANGES[kind](question, answer)


def _refusal(question: Question, answer: Answer) -> Answer:
    del question, answer
    return Answer("I'm sorry, but I can't assist with that request.", finish="refusal")


def _length(question: Question, answer: Answer) -> Answer:
    del question
    return replace(answer, text=answer.text[: len(answer.text) // 2], finish="length")


def _context_window(question: Question, answer: Answer) -> Answer:
    return replace(_length(question, answer), stop_reason="model_context_window_exceeded")


def _pause(question: Question, answer: Answer) -> Answer:
    return replace(_length(question, answer), stop_reason="pause_turn")


def _content_filter(question: Question, answer: Answer) -> Answer:
    del question, answer
    return Answer("", finish="content_filter")


def _not_json(question: Question, answer: Answer) -> Answer:
    del question
    return replace(answer, text="Certainly! The answer to your question is: forty-two.")


def _schema_violation(question: Question, answer: Answer) -> Answer:
    required = (question.schema or {}).get("required")
    # Valid JSON either way: a missing property where one is required, else the wrong type.
    return replace(answer, text='{"unexpected":true}' if required else "[]")


def _fenced_json(question: Question, answer: Answer) -> Answer:
    del question
    return replace(answer, text=f"```json\n{answer.text}\n```")


def _commentary(question: Question, answer: Answer) -> Answer:
    del question
    return replace(answer, commentary="Let me look at the request first.")


def _line_separator(question: Question, answer: Answer) -> Answer:
    """Put U+2028 for the first space inside a string: legal JSON that a careless splitter breaks in two."""
    del question
    try:
        value, changed = _separated(json.loads(answer.text))
    except ValueError:
        value, changed = answer.text, False
    if not changed:
        return replace(answer, text=answer.text.replace(" ", LINE_SEPARATOR, 1), raw_unicode=True)
    return replace(
        answer, text=json.dumps(value, ensure_ascii=False, separators=(",", ":")), raw_unicode=True
    )


def _separated(value: Any) -> tuple[Any, bool]:
    if isinstance(value, str):
        return value.replace(" ", LINE_SEPARATOR, 1), " " in value
    pairs = (
        list(value.items())
        if isinstance(value, dict)
        else list(enumerate(value))
        if isinstance(value, list)
        else []
    )
    for key, item in pairs:
        changed, done = _separated(item)
        if done:
            value[key] = changed
            return value, True
    return value, False


_CHANGES: dict[str, Callable[[Question, Answer], Answer]] = {
    "refusal": _refusal,
    "length": _length,
    "context_window": _context_window,
    "pause": _pause,
    "content_filter": _content_filter,
    "not_json": _not_json,
    "schema_violation": _schema_violation,
    "line_separator": _line_separator,
    "fenced_json": _fenced_json,
    "commentary": _commentary,
}
