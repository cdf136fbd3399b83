"""The requests of one batch, answered one after another onto disk.

Nothing is kept per line but its place in the output, so a batch of 50,000
lines needs little memory. The same batch always gets the same answers: after a
restart it is executed again from the start.
"""

import json
import logging
import random
import time
from pathlib import Path
from typing import Any

import orjson

from batchline_simulator.answer_faults import broken_answer
from batchline_simulator.openai.endpoint import Endpoint
from batchline_simulator.openai.errors import row_error
from batchline_simulator.responder import Responder
from batchline_simulator.row_faults import ANSWER_KINDS, ERROR_KINDS, RowFaults
from batchline_simulator.shuffled_lines import ShuffledLines

_LOGGER = logging.getLogger(__name__)

NEVER_RUN = {
    "batch_expired": "This request could not be executed before the completion window expired.",
    "batch_cancelled": "This request was not executed because the batch was cancelled.",
}
"""Messages of requests that were never executed. The second is unverified."""


class Execution:
    """One run over an input file. Its methods are called from one thread at a time."""

    def __init__(
        self,
        content: Path,
        work: Path,
        *,
        endpoint: Endpoint,
        responder: Responder,
        faults: RowFaults,
        organization: str,
        fail_all: bool,
    ) -> None:
        self._source = content.open("rb")
        self._endpoint = endpoint
        self._responder = responder
        self._faults = faults
        self._organization = organization
        self._fail_all = fail_all
        self._rng = random.Random(work.name)  # noqa: S311 - ids and order of a simulation
        self.output = ShuffledLines(work.with_suffix(".output"))
        self.errors = ShuffledLines(work.with_suffix(".error"))
        self.completed = 0
        self.failed = 0
        self.usage = (0, 0)

    @property
    def done(self) -> int:
        """Count the requests that were executed."""
        return self.completed + self.failed

    def step(self, lines: int) -> None:
        """Execute up to `lines` more requests."""
        for _ in range(lines):
            line = self._source.readline()
            if not line:
                return
            self._execute(line)

    def leave_rest(self, code: str) -> None:
        """List every request that has not been executed as an error of this code."""
        for line in self._source:
            error = {"code": code, "message": NEVER_RUN[code]}
            row = orjson.loads(line)
            self.errors.add(_dumped(self._line(row["custom_id"], None, error), ascii_only=True))

    def close(self) -> None:
        """Close the files and remove those that were work only."""
        self._source.close()
        self.output.discard()
        self.errors.discard()

    def _execute(self, line: bytes) -> None:
        row = orjson.loads(line)
        custom_id, body = row["custom_id"], row["body"]
        raw = orjson.dumps(body)
        fault = "server_error" if self._fail_all else self._faults.draw(custom_id, line, raw)
        result, ascii_only = self._result(custom_id, body, raw, fault)
        succeeded = result["status_code"] == 200  # noqa: PLR2004 - HTTP
        self.completed += succeeded
        self.failed += not succeeded
        written = _dumped(_bent(self._line(custom_id, result, None), fault), ascii_only=ascii_only)
        sink = self.output if succeeded else self.errors
        for _ in range({"missing_line": 0, "duplicate_line": 2}.get(fault or "", 1)):
            sink.add(written)

    def _result(
        self, custom_id: str, body: dict[str, Any], raw: bytes, fault: str | None
    ) -> tuple[Any, bool]:
        if fault == "status_zero":
            return {"status_code": 0, "request_id": "", "body": ""}, True
        refused = (
            row_error(fault, body["model"], self._organization)
            if fault in ERROR_KINDS
            else self._endpoint.rejection(body)
        )
        if refused is not None:
            return self._response(refused.status, {"error": dict(refused.error)}), True
        question = self._endpoint.question(custom_id, body, raw)
        try:
            answer = self._responder(question)
        except Exception:
            # A responder that breaks must not leave the batch hanging; its author sees why on stderr.
            _LOGGER.exception("the responder failed on request %r", custom_id)
            failure = row_error("server_error", body["model"], self._organization)
            return self._response(failure.status, {"error": dict(failure.error)}), True
        if fault in ANSWER_KINDS:
            answer = broken_answer(fault, question, answer)
        reply, used = self._endpoint.reply(body, answer, now=int(time.time()), rng=self._rng)
        self.usage = (self.usage[0] + used[0], self.usage[1] + used[1])
        return self._response(200, reply), not answer.raw_unicode

    def _response(self, status: int, body: dict[str, Any]) -> dict[str, Any]:
        return {"status_code": status, "request_id": f"{self._rng.getrandbits(128):032x}", "body": body}

    def _line(self, custom_id: str, response: Any, error: Any) -> dict[str, Any]:
        line_id = f"batch_req_{self._rng.getrandbits(128):032x}"
        return {"id": line_id, "custom_id": custom_id, "response": response, "error": error}


def _bent(line: dict[str, Any], fault: str | None) -> dict[str, Any]:
    if fault == "foreign_custom_id":
        return {**line, "custom_id": f"foreign-{line['id']}"}
    if fault == "missing_custom_id":
        return {key: value for key, value in line.items() if key != "custom_id"}
    return line


def _dumped(line: dict[str, Any], *, ascii_only: bool) -> bytes:
    # The standard library's spacing and escapes are those of the recordings.
    return json.dumps(line, ensure_ascii=ascii_only).encode() + b"\n"
