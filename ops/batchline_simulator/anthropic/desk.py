"""The lines of an Anthropic batch: requests as they came, results as they are told.

Everything a request ends in is one line of one file, four types of it.
"""

import random
from collections import Counter
from typing import Any

import orjson

from batchline_simulator.anthropic import message
from batchline_simulator.anthropic.errors import Problem, default_message, line_error
from batchline_simulator.anthropic.objects import COUNTED
from batchline_simulator.anthropic.params import Rules
from batchline_simulator.anthropic.prompt_cache import PromptCache
from batchline_simulator.config import SimulatorConfig
from batchline_simulator.core import Line, Row
from batchline_simulator.phases import Phase
from batchline_simulator.responder import Answer, Question

_ERROR_TYPES = {
    "rate_limit": "rate_limit_error",
    "insufficient_quota": "billing_error",
    "overloaded": "overloaded_error",
}
_BAD_REQUEST = Problem("messages: text content blocks must be non-empty")
_FLAT = {"type": "errored", "error": {"type": "overloaded_error", "message": "Overloaded"}}
_BARE: dict[str, dict[str, Any]] = {
    "expired_row": {"type": "expired"},
    "canceled_row": {"type": "canceled"},
    "unknown_result": {"type": "deferred"},
    "flat_error": _FLAT,
}
"""Results that tell no more than this, by row fault. The flat error is what some servers send."""


class AnthropicDesk:
    """Implements `Desk`, and counts how requests ended."""

    def __init__(self, seed: str, *, version: str, config: SimulatorConfig) -> None:
        self._rules = Rules(version, config)
        self._cache = PromptCache()
        self._rng = random.Random(seed)  # noqa: S311 - ids of a simulation
        self.ended: Counter[str] = Counter()
        """Requests by `result.type`; one that the counts have no place for is an error to them."""

    def read(self, line: bytes) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """Read a line that the create call wrote."""
        whole = orjson.loads(line)
        return whole["custom_id"], whole, whole["params"]

    def rejection(self, row: Row) -> Line | None:
        """Write what is wrong with the `params`, of which the create call knew nothing."""
        problem = self._rules.problem(row.body)
        return None if problem is None else self._errored(row, problem)

    def fault(self, kind: str, row: Row) -> Line:
        """Write an error, or a result without anything in it."""
        if kind in _BARE:
            return self._line(row, _BARE[kind])
        if kind == "bad_request":
            return self._errored(row, _BAD_REQUEST)
        error_type = _ERROR_TYPES.get(kind, "api_error")
        return self._errored(row, Problem(default_message(error_type), error_type))

    def question(self, row: Row) -> Question:
        """Ask for the input of a tool, for the wanted format, or for text."""
        return message.question(row.custom_id, row.body, row.raw)

    def reply(self, row: Row, answer: Answer) -> Line:
        """Write a succeeded line, whatever the answer is worth."""
        used = self._cache.usage(row.body)
        return self._line(
            row, {"type": "succeeded", "message": message.reply(row.body, answer, used, self._rng)}
        )

    def never_run(self, row: Row, end: Phase) -> Line | None:
        """Write that the request expired or was canceled."""
        return self._line(row, {"type": "expired" if end == "expired" else "canceled"})

    def _errored(self, row: Row, problem: Problem) -> Line:
        return self._line(row, {"type": "errored", "error": line_error(problem)})

    def _line(self, row: Row, result: dict[str, Any]) -> Line:
        self.ended[result["type"] if result["type"] in COUNTED else "errored"] += 1
        name = {} if row.shown_id is None else {"custom_id": row.shown_id}
        data = orjson.dumps({**name, "result": result}) + b"\n"
        return Line(data, "results", result["type"] == "succeeded")
