"""Cutting a job's rows into shards, each as large as one provider batch may be."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from batchline_shared.dialects.reasking import growth
from batchline_shared.errors import InvalidModelError
from batchline_shared.ledger import Manifest, Segment, shard_id
from batchline_shared.limits import Budgets, limits_of
from batchline_shared.tokens import BYTES_PER_TOKEN, estimate_tokens
from batchline_worker.building import dialect_of, wire_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchline_shared.accounts import ModelName
    from batchline_shared.ledger import ChunkInfo, JobMeta, JobStore, ShardWork
    from batchline_worker.context import WorkerContext

__all__ = [
    "PlannedShard",
    "ShardLimits",
    "budgets_of",
    "chunk_infos",
    "manifests",
    "pieces",
    "shard_limits",
]

_PART_OF_ROOM = 4
"""A shard takes a quarter of what its model may have enqueued at most: so several run at a time, of several
jobs, and an estimate that is too low by half does no harm yet."""

_MOST_PIECES = 8
"""What a shard is cut into at once; what is still too large is cut again when it asks."""

_PAGE_CHUNKS = 256


class ShardLimits(NamedTuple):
    """What one shard may hold."""

    requests: int
    bytes: int
    line_bytes: int
    """What a line takes besides its row."""
    tokens: float = math.inf
    """Input tokens, as estimated."""
    line_tokens: int = 0
    """Those that a row has of what all rows share."""


class PlannedShard(NamedTuple):
    """A shard to be made, and where planning goes on after it."""

    manifest: Manifest
    cursor: str
    """`chunk,row`."""
    bytes: int
    """What its lines take of a batch, at most."""


def shard_limits(context: WorkerContext, meta: JobMeta, model: ModelName) -> ShardLimits:
    """The provider's limits, the settings' and a part of the account's room, whichever is lowest."""
    speech = dialect_of(context.settings, meta)
    ours, budgets = context.settings, budgets_of(context, model)
    room = context.admission.snapshot(model.route).models.get(model.name)
    factor = room.factor if room else 1.0
    # As configured, or lower where a refusal has taught so; those are in corrected tokens.
    most_tokens = room.tokens.limit if room and room.tokens.limit else budgets.model_tokens
    most_requests = min(
        speech.limits.max_requests,
        ours.shard_max_requests or speech.limits.max_requests,
        *(max(1, n // _PART_OF_ROOM) for n in (budgets.model_requests, budgets.requests) if n),
    )
    around = sum(map(len, speech.line_ends(meta.template)))
    longest_id = len(wire_prefix(shard_id(meta.id, 99_999_999))) + 8
    return ShardLimits(
        requests=most_requests,
        bytes=min(speech.limits.max_bytes, ours.shard_max_bytes or speech.limits.max_bytes),
        line_bytes=around + longest_id,
        tokens=most_tokens / factor / _PART_OF_ROOM if most_tokens else math.inf,
        line_tokens=estimate_tokens(meta.template),
    )


def budgets_of(context: WorkerContext, model: ModelName) -> Budgets:
    """The limits of a model's account; none for an account that this worker does not know."""
    try:
        return limits_of(context.settings, model)
    except InvalidModelError:
        return Budgets()


def manifests(
    store: JobStore, meta: JobMeta, limits: ShardLimits, cursor: str, *, sparse: bool
) -> Iterator[PlannedShard]:
    """Cut the rows from `cursor` on into shards, as few as the limits allow; the same input, the same cut.

    Args:
        store: Where the job lies.
        meta: The job.
        limits: Of one shard.
        cursor: `chunk,row` to begin at.
        sparse: Only rows that are to be sent another time.
    """
    chunk, row = map(int, cursor.split(","))
    draft = _Draft(limits)
    notes = store.notes(meta.id, meta.attempt) if meta.reask and sparse else None
    for number, info in chunk_infos(store, meta, chunk):
        end = info.first_row + info.rows
        start = max(row, info.first_row)
        rows = _rows_to_send(store, meta, info, range(start, end), sparse=sparse)
        grown = [0] * len(rows) if notes is None else [growth(notes.turns(row)) for row in rows]
        while rows:
            taken = draft.take(number, info, rows, grown)
            if taken < len(rows):
                yield draft.close(number, rows[taken])
            rows, grown = rows[taken:], grown[taken:]
    if draft.rows:
        yield draft.close(meta.chunks, meta.total)


def _rows_to_send(store: JobStore, meta: JobMeta, info: ChunkInfo, rows: range, *, sparse: bool) -> list[int]:
    if rows and (sparse or info.duplicates):
        read = store.ready_rows if sparse else store.unequal_rows
        return read(meta.id, rows.start, len(rows))
    return list(rows)


def chunk_infos(store: JobStore, meta: JobMeta, start: int) -> Iterator[tuple[int, ChunkInfo]]:
    """What is known of a job's chunks from `start` on, with their numbers."""
    for page in range(start, meta.chunks, _PAGE_CHUNKS):
        infos = store.infos(meta.id, page, min(page + _PAGE_CHUNKS, meta.chunks))
        yield from enumerate(infos, start=page)


def pieces(shard: ShardWork, *, tokens: int | None, inputs: int | None) -> list[Manifest]:
    """What a shard that is too large for any room is cut into: equal parts, each within a part of the room.

    Args:
        shard: The shard, of more than one row.
        tokens: Most tokens that may be enqueued, as estimated; None: any number.
        inputs: The same of inputs.
    """
    segment = shard.segment
    rows = [segment.row(position) for position in range(segment.rows)]
    held = ((shard.tokens, tokens), (shard.inputs, inputs))
    needed = max(math.ceil(_PART_OF_ROOM * n / max(1, most)) for n, most in held if most is not None)
    count = min(max(2, needed), _MOST_PIECES, len(rows))
    cuts = [len(rows) * n // count for n in range(count + 1)]
    parts = (rows[start:end] for start, end in itertools.pairwise(cuts))
    return [part_of(shard, part) for part in parts]


def part_of(shard: ShardWork, rows: list[int]) -> Manifest:
    """A manifest of some of a shard's rows, taking each to be as large as the others."""
    segment = shard.segment

    def share(of_all: int) -> int:
        return math.ceil(of_all * len(rows) / segment.rows)

    kept = Segment.of(rows, segment.chunk_from, segment.chunk_to)
    return Manifest(kept, share(shard.inputs), share(shard.tokens))


class _Draft:
    """The shard that is being filled."""

    def __init__(self, limits: ShardLimits) -> None:
        self._limits = limits
        self.rows: list[int] = []
        self._bytes = 0
        self._inputs = 0
        self._tokens = 0
        self._chunk_from = 0
        self._chunk_to = 0

    def take(self, chunk: int, info: ChunkInfo, rows: list[int], grown: list[int]) -> int:
        """Take as many of a chunk's rows as fit; at least one into an empty shard.

        `grown`: the bytes by which each row is longer than it was enqueued.
        """
        count, all_of_it = len(rows), len(rows) == info.sent
        room, seats = self._limits.bytes - self._bytes, self._limits.requests - self._inputs
        whole = info.bytes if all_of_it else count * info.max_row_bytes
        inputs = info.inputs or count if all_of_it else count * info.max_row_inputs
        # A chunk's mean will do: the limit of tokens is a soft one.
        more = sum(grown)
        row_tokens = max(1, math.ceil(info.tokens / info.sent)) + self._limits.line_tokens
        row_tokens += math.ceil(more / count / BYTES_PER_TOKEN)
        paid_for = max((self._limits.tokens - self._tokens) / row_tokens, 0)
        if inputs > seats or whole + count * self._limits.line_bytes + more > room or count > paid_for:
            # Only the largest row's size is known, so count each as that one.
            each = info.max_row_bytes + self._limits.line_bytes
            fitting = _fitting(each, grown, room) if more else room // each
            count = max(min(count, seats // info.max_row_inputs, fitting, int(min(count, paid_for))), 0)
            whole, inputs = count * info.max_row_bytes, count * info.max_row_inputs
        if not self.rows:
            # A request larger than the setting still goes out, alone; enqueue has
            # made sure that it is not larger than the provider allows.
            if count < 1:
                count, whole, inputs = 1, info.max_row_bytes, info.max_row_inputs
            self._chunk_from = chunk
        if count > 0:
            self.rows += rows[:count]
            self._inputs += inputs
            self._bytes += whole + count * self._limits.line_bytes + sum(grown[:count])
            self._tokens += count * row_tokens
            self._chunk_to = chunk + 1
        return count

    def close(self, next_chunk: int, next_row: int) -> PlannedShard:
        """The shard as it is, and an empty draft for the next one."""
        segment = Segment.of(self.rows, self._chunk_from, self._chunk_to)
        manifest = Manifest(segment, self._inputs, self._tokens)
        planned = PlannedShard(manifest, f"{next_chunk},{next_row}", self._bytes)
        self.rows, self._bytes, self._inputs, self._tokens = [], 0, 0, 0
        return planned


def _fitting(each: int, grown: list[int], room: int) -> int:
    """How many rows fit into these bytes, of which each has grown."""
    return bisect_right(list(itertools.accumulate(each + more for more in grown)), room)
