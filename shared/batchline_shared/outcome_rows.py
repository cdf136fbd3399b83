"""An outcome as it is stored: one JSON line that the worker writes and the client types.

    {"n": row, "a": attempt, "r": answers sent back before (left out: none), "id": custom id,
     "e": error type or null, "m": message, "u": [input, output, cached input, reasoning tokens] or null,
     "raw": the provider's line or null}

and `"s": "live"` where the request was asked through the live API.

One of a request that was not sent, because it equals another, is that one's but for row and id; it has
no tokens, and `"of"`: the other's custom id, before `raw`.

The provider's line goes in as it came, byte for byte, without being encoded
again. The worker has judged it (`Verdict`); whether the answer fits the user's
model only the client can tell, so it judges once more when it reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from batchline_shared.outcomes import ErrorType

if TYPE_CHECKING:
    from batchline_shared.dialects.verdict import Verdict

__all__ = [
    "encode_copy",
    "encode_outcome",
    "encode_unanswered",
    "error_type_of",
    "reasks_of",
    "row_of",
]

_KINDS = {str(kind): kind for kind in ErrorType}

_RAW = b',"raw":'
"""What stands before the provider's line. In a JSON text before it, the quotes would be escaped."""


def encode_outcome(
    row: int,
    attempt: int,
    custom_id: str,
    verdict: Verdict,
    raw: bytes,
    reasks: int = 0,
    *,
    live: bool = False,
) -> bytes:
    """Encode what a result line says; `raw` is that line, which has parsed as JSON."""
    kind = b"null" if verdict.error_type is None else b'"%b"' % verdict.error_type.encode()
    message = orjson.dumps(verdict.message) if verdict.message else b'""'
    return b'{"n":%d,"a":%d,%b"id":%b,"e":%b,"m":%b,"u":[%d,%d,%d,%d],%b"raw":%b}' % (
        row,
        attempt,
        b'"r":%d,' % reasks if reasks else b"",
        orjson.dumps(custom_id),
        kind,
        message,
        *verdict[2:6],
        b'"s":"live",' if live else b"",
        raw,
    )


def encode_unanswered(
    row: int,
    attempt: int,
    custom_id: str,
    error_type: ErrorType,
    message: str,
    reasks: int = 0,
    *,
    live: bool = False,
) -> bytes:
    """Encode the outcome of a request for which the provider returned no line."""
    head = {"n": row, "a": attempt, "r": reasks} if reasks else {"n": row, "a": attempt}
    outcome = {**head, "id": custom_id, "e": error_type, "m": message, "u": None, "raw": None}
    return orjson.dumps(outcome | {"s": "live"} if live else outcome)


def encode_copy(stored: bytes, row: int, custom_id: str) -> bytes:
    """Encode the outcome of a request that equals the one whose stored outcome this is."""
    head, _, raw = stored.partition(_RAW)
    outcome = orjson.loads(head + b"}")
    copied = {**outcome, "n": row, "id": custom_id, "u": None, "of": outcome["id"]}
    return orjson.dumps(copied)[:-1] + _RAW + raw


def row_of(stored: bytes) -> int:
    """The row of a stored outcome, without parsing the whole: every one begins with `{"n":<row>,`."""
    return int(stored[5 : stored.index(b",", 5)])


def reasks_of(stored: dict[str, Any]) -> int:
    """How many answers were sent back before a stored outcome."""
    return int(stored.get("r", 0))


def error_type_of(stored: dict[str, Any]) -> ErrorType | None:
    """The error type of a stored outcome; None for a success, `UNKNOWN` for one of a later version."""
    kind = stored["e"]
    if kind is None:
        return None
    return _KINDS.get(kind, ErrorType.UNKNOWN)
