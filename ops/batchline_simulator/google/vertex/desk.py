"""The rows of a Vertex job: what goes in, and what its predictions say of it.

A row that failed stands among the others, in a job that succeeded: it has a
`status` and no `response`. Every column beside the request comes back, and the
request itself comes back normalised (see `importer.echoed`).
"""

import json
import random
import re
from typing import Any

import orjson

from batchline_simulator.core import Line, Row
from batchline_simulator.google.generate_request import Problem, problem_of, question_of
from batchline_simulator.google.generate_response import reply_to
from batchline_simulator.google.moments import moment, now_us
from batchline_simulator.google.rpc_errors import error_body
from batchline_simulator.google.schema_check import VERTEX_KEYWORDS, unknown_field
from batchline_simulator.google.vertex.importer import Shape, echoed
from batchline_simulator.phases import Phase
from batchline_simulator.responder import Answer, Question

ID_COLUMN = "custom_id"
"""The column that faults take for the id of a row; where it is missing, the first other one is."""

_REASONS = {400: "Bad Request", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error"}
_FAULTS = {
    "bad_request": Problem(400, "Request contains an invalid argument."),
    "rate_limit": Problem(429, "Resource exhausted. Please try again later."),
    "insufficient_quota": Problem(429, "Quota exceeded for aiplatform.googleapis.com."),
    "server_error": Problem(500, "Internal error encountered."),
}
_BARE_STATUS = "Internal error occurred while processing the request."
_INTEGER = re.compile(r"-?\d+")
_WITHOUT_TOTAL = 1 / 200
"""Part of the rows whose usage lacks its total, as production has seen it."""


class VertexDesk:
    """Implements `Desk` for the rows of one job."""

    def __init__(self, *, seed: str, model: str, shape: Shape, coerce_numbers: bool) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - ids of a simulation
        self._model = model
        self._shape = shape
        self._coerce_numbers = coerce_numbers

    def read(self, line: bytes) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """Read a row that has passed the importer."""
        whole = orjson.loads(line)
        return str(whole.get(_id_column(whole), "")), whole, whole["request"]

    def rejection(self, row: Row) -> Line | None:
        """Write the 400 that the model gives to this request alone."""
        problem = problem_of(row.body, role_required=True)
        if problem is None and (unknown := unknown_field(row.body, VERTEX_KEYWORDS)) is not None:
            problem = Problem(400, unknown)
        return None if problem is None else self._failed(row, problem)

    def fault(self, kind: str, row: Row) -> Line:
        """Write a failure; that of `status_zero` is a sentence instead of JSON."""
        if kind == "status_zero":
            return self._line(row, _BARE_STATUS, {})
        return self._failed(row, _FAULTS.get(kind, _FAULTS["server_error"]))

    def question(self, row: Row) -> Question:
        """Put the request in the terms of responders."""
        return question_of(row.custom_id, row.body, row.raw, model=self._model)

    def reply(self, row: Row, answer: Answer) -> Line:
        """Write the model's answer."""
        response = reply_to(row.body, answer, model=self._model, rng=self._rng).body
        response["createTime"] = moment(now_us())
        response["usageMetadata"]["trafficType"] = "ON_DEMAND"
        if self._rng.random() < _WITHOUT_TOTAL:
            del response["usageMetadata"]["totalTokenCount"]
        for candidate in response.get("candidates", ()):
            if "content" in candidate:
                candidate["avgLogprobs"] = -self._rng.random()
        return self._line(row, "", {"response": response}, ascii_only=not answer.raw_unicode)

    def never_run(self, row: Row, end: Phase) -> None:
        """Say nothing of requests that were not executed: Vertex leaves them out."""
        del row, end

    def _failed(self, row: Row, problem: Problem) -> Line:
        reason = _REASONS.get(problem.code, "Error")
        return self._line(row, f"{reason}: {json.dumps(error_body(problem.code, problem.message))}", {})

    def _line(self, row: Row, status: str, response: dict[str, Any], *, ascii_only: bool = True) -> Line:
        columns = {name: self._column(row, name) for name in row.line if name != "request"}
        if row.shown_id is None:
            columns.pop(_id_column(row.line), None)
        written = {
            **columns,
            "status": status,
            "processed_time": moment(now_us())[:-4] + "+00:00",
            "request": echoed(row.body, self._shape),
            **response,
        }
        data = json.dumps(written, ensure_ascii=ascii_only, separators=(",", ":")).encode() + b"\n"
        return Line(data, succeeded=not status)

    def _column(self, row: Row, name: str) -> Any:
        value = row.line[name]
        if name == _id_column(row.line) and row.shown_id != row.custom_id:
            value = row.shown_id
        if self._coerce_numbers and isinstance(value, str) and _INTEGER.fullmatch(value):
            return int(value)
        return value


def _id_column(line: dict[str, Any]) -> str:
    if ID_COLUMN in line:
        return ID_COLUMN
    return next((name for name in line if name != "request"), ID_COLUMN)
