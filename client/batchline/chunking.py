"""Cutting a job's requests into the chunks that the ledger keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from batchline.custom_ids import UniqueIds
from batchline_shared.errors import InvalidRequestError
from batchline_shared.ledger import ChunkInfo, InputChunk
from batchline_shared.ledger.chunks import MAX_ROWS, TARGET_BYTES
from batchline_shared.tokens import estimate_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchline.job_plan import JobPlan

__all__ = ["EncodedRequest", "chunked"]


class EncodedRequest(NamedTuple):
    """One request, checked and encoded."""

    row: bytes
    custom_id: str | None
    """None: the default id."""
    equals: int | None = None
    """The number of the earlier request whose outcome it gets; None: it is sent."""


def chunked(requests: Iterator[EncodedRequest], plan: JobPlan) -> Iterator[InputChunk]:
    """Cut the stream into chunks, and check what only the whole job can tell."""
    head, middle, tail = plan.dialect.line_ends(plan.encoded_template)
    # Our own id takes at most 64 bytes on the wire.
    max_row_bytes = plan.dialect.limits.max_bytes - len(head) - len(middle) - len(tail) - 64
    inputs_of = plan.dialect.inputs
    unique = UniqueIds()
    rows: list[bytes] = []
    ids: list[str] = []
    size = largest = number = first_row = 0
    inputs, widest, tokens = 0, 1, 0
    duplicates: list[int] = []
    given: bool | None = None

    def chunk() -> InputChunk:
        info = ChunkInfo(first_row, len(rows), size, largest, inputs, widest, tokens, len(duplicates))
        return InputChunk(number, info, rows, ids if given else None, duplicates)

    try:
        for row, (encoded, custom_id, equals) in enumerate(requests):
            if (custom_id is not None) is not given:
                given = _all_or_none(custom_id, row)
            if custom_id is not None:
                unique.add(custom_id, row)
                ids.append(custom_id)
            length = len(encoded)
            if length > largest:
                largest = _fitting(length, max_row_bytes, plan, row)
            if equals is not None:
                duplicates.append(row)
            elif inputs_of is not None:
                held = inputs_of(encoded)
                inputs, widest = inputs + held, max(widest, held)
            tokens += estimate_tokens(encoded) if equals is None else 0
            rows.append(encoded)
            size += length
            if size >= TARGET_BYTES or len(rows) == MAX_ROWS:
                yield chunk()
                number, first_row = number + 1, row + 1
                rows, ids, duplicates, size, largest, inputs, widest, tokens = [], [], [], 0, 0, 0, 1, 0
        if rows:
            yield chunk()
        unique.finish()
    finally:
        unique.close()


def _fitting(length: int, most: int, plan: JobPlan, row: int) -> int:
    if length > most:
        raise InvalidRequestError(
            f"has {length} bytes as JSON; {plan.dialect.provider} takes at most {most}", row=row
        )
    return length


def _all_or_none(custom_id: str | None, row: int) -> bool:
    if row:
        has = "has a custom_id" if custom_id is not None else "has no custom_id"
        raise InvalidRequestError(
            f"{has}, unlike those before it; give one to every request of a job or to none", row=row
        )
    return custom_id is not None
