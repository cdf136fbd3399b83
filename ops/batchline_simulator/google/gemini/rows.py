"""The rows of a Gemini batch, checked while the call that creates it waits.

One malformed row refuses the whole call: there is no batch to look at then.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from batchline_simulator.gateway import Refused
from batchline_simulator.google.generate_request import prompt_tokens
from batchline_simulator.google.rpc_errors import refused
from batchline_simulator.google.schema_check import GEMINI_KEYWORDS, unknown_field

MAX_INLINE_BYTES = 20_000_000


def checked_tokens(content: Path) -> int:
    """Read every row of an input file, and return the tokens that they send.

    Raises:
        Refused: A row is malformed.
    """
    tokens = 0
    with content.open("rb") as source:
        for number, line in enumerate(source, 1):
            tokens += prompt_tokens(_request(line, number))
    return tokens


def inline_rows(requests: Any) -> Iterator[bytes]:
    """Write inlined requests as the rows that a file would have.

    Raises:
        Refused: One of them is malformed.
    """
    if not isinstance(requests, list) or not requests:
        raise refused(400, "The batch has no requests.")
    for request in requests:
        metadata = request.get("metadata") or {} if isinstance(request, dict) else {}
        row = {**request, "key": metadata.get("key")} if isinstance(request, dict) else request
        yield orjson.dumps(row) + b"\n"


def _request(line: bytes, number: int) -> dict[str, Any]:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise _malformed(number, "it is no valid JSON") from None
    request = row.get("request") if isinstance(row, dict) else None
    if not isinstance(request, dict) or not isinstance(request.get("contents"), list):
        raise _malformed(number, "it has no request with contents")
    if (unknown := unknown_field(request, GEMINI_KEYWORDS)) is not None:
        raise _malformed(number, unknown)
    return request


def _malformed(number: int, problem: str) -> Refused:
    # The status is recorded, the wording is ours.
    return refused(400, f"Invalid batch: row {number} is malformed: {problem}.")
