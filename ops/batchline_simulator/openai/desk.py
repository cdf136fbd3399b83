"""The lines of an OpenAI batch: what goes in, and what an output or error file says of it."""

import json
import random
import time
from typing import Any

import orjson

from batchline_simulator.core import Line, Row
from batchline_simulator.openai.endpoint import Endpoint
from batchline_simulator.openai.errors import RowError, row_error
from batchline_simulator.openai.objects import NOTHING_USED, tokens_of
from batchline_simulator.phases import Phase
from batchline_simulator.quirks import Quirks
from batchline_simulator.responder import Answer, Question
from batchline_simulator.upstream import Reply, Request

_OK = 200

NEVER_RUN: dict[Phase, tuple[str, str]] = {
    "expired": (
        "batch_expired",
        "This request could not be executed before the completion window expired.",
    ),
    "cancelled": ("batch_cancelled", "This request was not executed because the batch was cancelled."),
}
"""Code and message of requests that were never executed. The second is unverified."""


class OpenAiDesk:
    """Implements `Desk` and `Relay` for one endpoint, and adds up what the requests cost."""

    def __init__(
        self, endpoint: Endpoint, *, seed: str, organization: str, cancelled_lines: bool, quirks: Quirks
    ) -> None:
        self._endpoint = endpoint
        self._organization = organization
        self._cancelled_lines = cancelled_lines
        self._quirks = quirks
        self._rng = random.Random(seed)  # noqa: S311 - ids of a simulation
        self.usage = NOTHING_USED

    def read(self, line: bytes) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """Read a line that has passed validation."""
        whole = orjson.loads(line)
        return whole["custom_id"], whole, whole["body"]

    def rejection(self, row: Row) -> Line | None:
        """Write the 400 that the endpoint gives to this request alone."""
        refused = self._endpoint.rejection(row.body)
        return None if refused is None else self._error(row, refused)

    def fault(self, kind: str, row: Row) -> Line:
        """Write an HTTP failure; `status_zero` is one without anything in it."""
        if kind == "status_zero":
            return self._line(row, {"status_code": 0, "request_id": "", "body": ""}, succeeded=False)
        return self._error(row, row_error(kind, row.body["model"], self._organization))

    def question(self, row: Row) -> Question:
        """Let the endpoint say what is asked."""
        return self._endpoint.question(row.custom_id, row.body, row.raw)

    def reply(self, row: Row, answer: Answer) -> Line:
        """Write the endpoint's reply to the output file."""
        reply, used = self._endpoint.reply(row.body, answer, now=int(time.time()), rng=self._rng)
        self.usage = (self.usage[0] + used[0], self.usage[1] + used[1])
        return self._line(row, self._response(_OK, reply), ascii_only=not answer.raw_unicode)

    def forwarded(self, row: Row) -> Request:
        """Ask the same endpoint the same; the upstream server has rules of its own."""
        return Request(self._endpoint.path, row.body)

    def relayed(self, row: Row, reply: Reply) -> Line:
        """Write the reply as it is, also where it is a failure."""
        body, succeeded = orjson.loads(reply.body), reply.status == _OK
        if succeeded:
            used = tokens_of(body)
            self.usage = (self.usage[0] + used[0], self.usage[1] + used[1])
        return self._line(row, self._response(reply.status, body), succeeded=succeeded)

    def never_run(self, row: Row, end: Phase) -> Line | None:
        """Write an error without a response; whether a cancelled batch lists these is a setting."""
        if end not in NEVER_RUN or (end == "cancelled" and not self._cancelled_lines):
            return None
        code, message = NEVER_RUN[end]
        return self._line(row, None, {"code": code, "message": message}, succeeded=False)

    def _error(self, row: Row, refused: RowError) -> Line:
        return self._line(
            row, self._response(refused.status, {"error": dict(refused.error)}), succeeded=False
        )

    def _response(self, status: int, body: dict[str, Any]) -> dict[str, Any]:
        return {"status_code": status, "request_id": f"{self._rng.getrandbits(128):032x}", "body": body}

    def _line(
        self, row: Row, response: Any, error: Any = None, *, succeeded: bool = True, ascii_only: bool = True
    ) -> Line:
        line_id = self._quirks.id(f"batch_req_{self._rng.getrandbits(128):032x}")
        line = {"id": line_id, "custom_id": row.shown_id}
        if row.shown_id is None:
            del line["custom_id"]
        whole = self._quirks.line({**line, "response": response, "error": error})
        # The standard library's spacing and escapes are those of the recordings.
        data = json.dumps(whole, ensure_ascii=ascii_only).encode() + b"\n"
        return Line(data, "output" if succeeded else "error", succeeded)
