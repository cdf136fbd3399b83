"""Reading an adopted batch: its input, where the provider still shows it, for the names; then its results."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from batchline_shared.dialects.jsonl import parse_line
from batchline_shared.dialects.registry import dialect
from batchline_shared.errors import ProviderAuthError, ProviderError, ProviderRejectedError
from batchline_shared.ledger import Segment
from batchline_shared.ledger.chunks import MAX_ROWS, TARGET_BYTES
from batchline_worker.stages.adopted_rows import OursError
from batchline_worker.stages.adoption import is_ours

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from batchline_shared.dialects.base import Dialect
    from batchline_shared.ledger import JobMeta
    from batchline_worker.landing import Lander
    from batchline_worker.providers.base import Provider, RemoteBatch
    from batchline_worker.stages.adopted_rows import AdoptedRows

__all__ = ["land_adopted"]

_log = structlog.get_logger("batchline.adoption")

_GONE = (404, 410)


class _Line(NamedTuple):
    """A line that is understood."""

    name: str
    parsed: dict[str, Any]
    raw: bytes


def land_adopted(
    meta: JobMeta, rows: AdoptedRows, lander: Lander, provider: Provider, batch: RemoteBatch
) -> tuple[Segment, int]:
    """Land what the results say, and name what they and the input name.

    Returns:
        All rows that the batch has, named or not; and how many of them the results name.

    Raises:
        OursError: The batch is one of ours; nothing has landed.
        OvertakenError: Somebody else reads it.
        ProviderError: It cannot be read now; what was read has landed.
    """
    speech = dialect(meta.provider, meta.endpoint)
    asked = _name_requests(speech, rows, provider, batch)
    seen = bytearray()
    for block in _blocks(_understood(speech, provider.lines(batch))):
        shard_id = is_ours(block[0].name)
        if shard_id and not rows.count:
            raise OursError(shard_id)
        numbers = rows.add([line.name for line in block])
        seen.extend(bytes(rows.count - len(seen)))
        for row, line in zip(numbers, block, strict=True):
            if not seen[row]:  # of two lines that name one row, the first counts
                seen[row] = 1
                verdict = speech.classify(line.parsed, structured=meta.structured)
                lander.answered(row, verdict, speech.kept(line.parsed, line.raw))
    lander.flush()
    return Segment(0, max(rows.count, batch.total, asked), 0, rows.chunks), sum(seen)


def _name_requests(speech: Dialect, rows: AdoptedRows, provider: Provider, batch: RemoteBatch) -> int:
    """Name the rows in the order of the input; returns how many there are, 0 where it cannot be read."""
    count = 0

    def names() -> Iterator[str]:
        nonlocal count
        for raw in provider.requests(batch):
            count += 1
            parsed = _parsed(raw)
            name = speech.foreign_id(parsed[0]) if parsed is not None else None
            if name is not None:
                yield name

    try:
        every = names()
        while some := list(itertools.islice(every, MAX_ROWS)):
            rows.add(some)
    except ProviderError as error:
        denied = isinstance(error, ProviderRejectedError | ProviderAuthError)
        if not denied and error.status_code not in _GONE:
            raise
        # Deleted, or not ours to read: the results name what they name.
        _log.info("requests_not_readable", batch=batch.id, reason=str(error))
        return 0
    return count


def _understood(speech: Dialect, lines: Iterable[bytes]) -> Iterator[_Line]:
    """Lines with the name of their request; one that bears none is named by its place."""
    strangers = 0
    for number, raw in enumerate(lines, start=1):
        parsed = _parsed(raw)
        if parsed is None:
            strangers += 1
        else:
            yield _Line(speech.foreign_id(parsed[0]) or f"line-{number}", *parsed)
    if strangers:
        # What the lines say is not for a log.
        _log.warning("lines_not_understood", lines=strangers)


def _parsed(raw: bytes) -> tuple[dict[str, Any], bytes] | None:
    try:
        value, line = parse_line(raw)
    except ValueError:
        return None
    return (value, line) if isinstance(value, dict) else None


def _blocks(lines: Iterable[_Line]) -> Iterator[list[_Line]]:
    """Lines in lists that are named and landed together."""
    block: list[_Line] = []
    size = 0
    for line in lines:
        block.append(line)
        size += len(line.raw)
        if len(block) == MAX_ROWS or size >= TARGET_BYTES:
            yield block
            block, size = [], 0
    if block:
        yield block
