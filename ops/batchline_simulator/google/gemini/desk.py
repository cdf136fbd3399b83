"""The rows of a Gemini batch: what goes in, and what the result file says of it.

Rows come out in the order in which they went in, but which of `key` and
`response` comes first in a line is anybody's guess.
"""

import json
import random
from typing import Any

import orjson

from batchline_simulator.core import Line, Row
from batchline_simulator.google.generate_request import Problem, problem_of, question_of
from batchline_simulator.google.generate_response import reply_to
from batchline_simulator.google.rpc_errors import (
    INTERNAL,
    INVALID_ARGUMENT,
    RESOURCE_EXHAUSTED,
    quota_details,
)
from batchline_simulator.phases import Phase
from batchline_simulator.responder import Answer, Question

_FAULTS = {
    "bad_request": (INVALID_ARGUMENT, "Request contains an invalid argument."),
    "rate_limit": (RESOURCE_EXHAUSTED, "Resource has been exhausted (e.g. check quota)."),
    "insufficient_quota": (RESOURCE_EXHAUSTED, "You exceeded your current quota."),
    "server_error": (INTERNAL, "An internal error has occurred."),
}


class GeminiDesk:
    """Implements `Desk` for the rows of one batch."""

    def __init__(self, *, seed: str, model: str, error_details: bool) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - ids of a simulation
        self._model = model
        self._error_details = error_details

    def read(self, line: bytes) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """Read a row that was checked when the batch was created."""
        whole = orjson.loads(line)
        key = whole.get("key")
        return "" if key is None else str(key), whole, whole["request"]

    def rejection(self, row: Row) -> Line | None:
        """Write the error that the model gives to this request alone."""
        problem: Problem | None = problem_of(row.body, role_required=False)
        return None if problem is None else self._failed(row, INVALID_ARGUMENT, problem.message)

    def fault(self, kind: str, row: Row) -> Line:
        """Write a failure; that of `status_zero` has neither code nor message."""
        if kind == "status_zero":
            return self._line(row, {"error": {}}, succeeded=False)
        return self._failed(row, *_FAULTS.get(kind, _FAULTS["server_error"]))

    def question(self, row: Row) -> Question:
        """Put the request in the terms of responders."""
        return question_of(row.custom_id, row.body, row.raw, model=self._model)

    def reply(self, row: Row, answer: Answer) -> Line:
        """Write the model's answer."""
        response = reply_to(row.body, answer, model=self._model, rng=self._rng).body
        for place, candidate in enumerate(response.get("candidates", ())):
            candidate["index"] = place
        return self._line(row, {"response": response}, ascii_only=not answer.raw_unicode)

    def never_run(self, row: Row, end: Phase) -> None:
        """Say nothing: a batch that did not complete has no results at all."""
        del row, end

    def _failed(self, row: Row, code: int, message: str) -> Line:
        error: dict[str, Any] = {"code": code, "message": message}
        if self._error_details:
            error["details"] = quota_details()
        return self._line(row, {"error": error}, succeeded=False)

    def _line(
        self, row: Row, said: dict[str, Any], *, succeeded: bool = True, ascii_only: bool = True
    ) -> Line:
        key = {} if row.shown_id is None or row.line.get("key") is None else {"key": row.shown_id}
        metadata = {name: row.line[name] for name in ("metadata",) if name in row.line}
        written = {**key, **said, **metadata} if self._rng.random() < 0.5 else {**said, **metadata, **key}  # noqa: PLR2004 - a fair coin
        return Line(json.dumps(written, ensure_ascii=ascii_only).encode() + b"\n", succeeded=succeeded)
