"""What can go wrong with one request of a batch.

Two ways in: a marker anywhere in the request, or a rate. `[[fault:refusal]]`
strikes every time; `[[fault:server_error:2]]` in the first two batches that
hold this very body, so that a third attempt succeeds. The custom id does not
count, as a client may pick a new one for each attempt. `[[fault:not_json:told:2]]` strikes until the
conversation holds two answers: the model gets it right once it has been told twice what was wrong.

Both are settled by what is in the batch and by its id, never by a clock or a
call order: a batch that runs again after a restart fails in the same places.

* Ends as an error line: bad_request, rate_limit, insufficient_quota, server_error, status_zero, overloaded
* Ends as one of Anthropic's odder results: flat_error (not nested), expired_row, canceled_row,
  unknown_result. Other providers make server errors of these and of what else they do not know.
* Ends as an answer nobody can use: refusal, length, content_filter, not_json, schema_violation,
  context_window and pause (cut short like `length`, for which only Anthropic has words of their own)
* Ends as an answer that is odd but right: line_separator (a raw U+2028 in a string), fenced_json,
  commentary (a message of its own before the answer, where the endpoint has one)
* Breaks the line itself: missing_line, duplicate_line, foreign_custom_id, missing_custom_id
"""

import hashlib
import json
import re
from collections.abc import Mapping

from batchline_simulator.database import Database

ERROR_KINDS = frozenset(
    [
        "bad_request",
        "rate_limit",
        "insufficient_quota",
        "server_error",
        "status_zero",
        "overloaded",
        "flat_error",
        "expired_row",
        "canceled_row",
        "unknown_result",
    ]
)
"""Kinds that end as an error line."""

ANSWER_KINDS = frozenset(
    [
        "refusal",
        "length",
        "context_window",
        "pause",
        "content_filter",
        "not_json",
        "schema_violation",
        "line_separator",
        "fenced_json",
        "commentary",
    ]
)
"""Kinds that change the answer."""

LINE_KINDS = frozenset({"missing_line", "duplicate_line", "foreign_custom_id", "missing_custom_id"})
"""Kinds that change how the line is written, or whether it is."""

ROW_KINDS = ERROR_KINDS | ANSWER_KINDS | LINE_KINDS

_MARKER = re.compile(rb"\[\[fault:([a-z_]+)(?::(told:)?([0-9]+))?\]\]")

_ANSWERED = frozenset({"assistant", "model"})
"""Roles of a turn that the model took."""


class RowFaults:
    """Says for each request of one batch what goes wrong with it."""

    def __init__(self, database: Database, rates: Mapping[str, float], *, batch_id: str, seed: int) -> None:
        self._database = database
        self._rates = dict(rates)
        self._batch_id = batch_id
        self._seed = seed

    def draw(self, custom_id: str, line: bytes, body: bytes) -> str | None:
        """Return the fault of one request, or None.

        Args:
            custom_id: Of the request.
            line: The whole input line, where a marker may be.
            body: The request's body; equal bodies count as attempts at the same request.
        """
        if b"[[fault:" in line and (marked := self._marked(line, body)) is not None:
            return marked
        return self._by_rate(custom_id) if self._rates else None

    def _marked(self, line: bytes, body: bytes) -> str | None:
        for name, told, times in _MARKER.findall(line):
            kind = str(name, "ascii")
            if kind not in ROW_KINDS:
                continue
            if not times or (_answers(body) < int(times) if told else self._attempt(body) <= int(times)):
                return kind
        return None

    def _attempt(self, body: bytes) -> int:
        """Count the batches that held this body, up to this one."""
        row = hashlib.sha256(body).hexdigest()
        self._database.run(
            "INSERT OR IGNORE INTO marked_rows (row, batch_id) VALUES (?, ?)", (row, self._batch_id)
        )
        rows = self._database.rows(
            "SELECT COUNT(*) AS n FROM marked_rows WHERE row = ?1"
            " AND seq <= (SELECT seq FROM marked_rows WHERE row = ?1 AND batch_id = ?2)",
            (row, self._batch_id),
        )
        return int(rows[0]["n"])

    def _by_rate(self, custom_id: str) -> str | None:
        key = f"{self._seed}\0{self._batch_id}\0{custom_id}".encode()
        drawn = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") / 2**64
        for kind, rate in self._rates.items():
            if drawn < rate:
                return kind
            drawn -= rate
        return None


def _answers(body: bytes) -> int:
    """Count the model's turns in a conversation, whichever provider's it is."""
    fields = json.loads(body)
    turns = next((fields[name] for name in ("messages", "input", "contents") if name in fields), ())
    return sum(isinstance(turn, dict) and turn.get("role") in _ANSWERED for turn in turns)
