"""Building a shard's input file: the provider's JSONL, in memory below a threshold and on disk above."""

from __future__ import annotations

from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, BinaryIO, cast

import orjson

from batchline_shared.accounts import OWN_ACCOUNT, parse_model
from batchline_shared.dialects.reasking import extended
from batchline_shared.dialects.registry import dialect
from batchline_shared.ledger import Segment
from batchline_worker.landing import needed_chunks
from batchline_worker.parts import Part

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from batchline_shared.dialects.base import Dialect
    from batchline_shared.ledger import JobMeta, JobStore, ShardWork
    from batchline_shared.settings import Settings
    from batchline_worker.parts import Parts

__all__ = ["build_input", "dialect_of", "lines_of", "position_of", "wire_prefix"]

_IN_MEMORY_BYTES = 8 * 1024 * 1024

_OBJECT = ord("{")

_DIGITS = 10
"""Longer numbers are none that we wrote; Python refuses to read very long ones."""


def wire_prefix(wire_name: str) -> str:
    """What every line's id of a shard starts with; the row's position in the shard follows.

    At most 64 characters in all, of `[A-Za-z0-9_-]`, starting with a letter: what
    every provider takes. It proves whose a batch is, and reveals nothing of the user's ids.
    """
    return f"bl-{wire_name}-"


def position_of(wire_id: str, wire_name: str) -> int | None:
    """The position that a line's id names; None when it is none of this shard's."""
    prefix = wire_prefix(wire_name)
    digits = wire_id[len(prefix) :]
    ours = wire_id.startswith(prefix) and len(digits) < _DIGITS and digits.isascii() and digits.isdigit()
    # `00` is none that we wrote.
    return int(digits) if ours and (digits[0] != "0" or digits == "0") else None


def dialect_of(settings: Settings, meta: JobMeta) -> Dialect:
    """How a job's requests are written, with what this worker's settings say of its account.

    An account that they do not name counts as an ordinary one: its shards wait, and say why, when they
    are to be submitted.
    """
    account = settings.accounts.get(parse_model(meta.model).account, OWN_ACCOUNT)
    return dialect(meta.provider, meta.endpoint, account)


def build_input(store: JobStore, settings: Settings, wire_name: str, parts: Parts) -> BinaryIO:
    """Stream a shard's requests into the provider's form; the same shard always gives the same bytes.

    Args:
        store: Where the jobs lie.
        settings: Of this worker.
        wire_name: The shard's.
        parts: The shard's.

    Returns:
        A file at its start, to be closed by the caller.

    Raises:
        JobNotFoundError: A job has been deleted.
        LedgerError: Requests are missing or damaged.
    """
    target = cast("BinaryIO", SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES))  # noqa: SIM115 - the caller closes it
    try:
        for part in parts:
            meta = store.meta(part.job_id)
            writer = _Lines(dialect_of(settings, meta), meta, wire_name)
            for lines in writer.chunks(store, part, parts.left_out):
                target.write(b"".join(lines))
    except BaseException:
        target.close()
        raise
    target.seek(0)
    return target


def lines_of(
    store: JobStore, settings: Settings, meta: JobMeta, shard: ShardWork, rows: Sequence[int]
) -> Iterator[tuple[int, bytes]]:
    """Stream some of a shard's rows, each with its request as a line of a batch's input.

    Args:
        store: Where the job lies.
        settings: Of this worker.
        meta: The job.
        shard: The shard.
        rows: In ascending order, at least one.

    Raises:
        LedgerError: Requests are missing or damaged.
    """
    segment = Segment.of(rows, shard.segment.chunk_from, shard.segment.chunk_to)
    part = Part(shard.id, meta.id, segment, shard.attempt, 0)
    writer = _Lines(dialect_of(settings, meta), meta, shard.wire_name)
    return zip(rows, chain.from_iterable(writer.chunks(store, part, frozenset())), strict=True)


class _Lines:
    """Writes lines of one job."""

    def __init__(self, speech: Dialect, meta: JobMeta, wire_name: str) -> None:
        self._speech = speech
        self._meta = meta
        self._prefix = wire_prefix(wire_name)
        self._template = orjson.loads(meta.template)
        head, self._middle, self._tail = speech.line_ends(meta.template)
        self._start = head + self._prefix.encode()

    def chunks(self, store: JobStore, part: Part, left_out: frozenset[int]) -> Iterator[list[bytes]]:
        """A part's lines, chunk by chunk."""
        segment, job_id = part.segment, self._meta.id
        picked = set(segment.picked)
        end_row = segment.first_row + segment.rows
        infos = store.infos(job_id, segment.chunk_from, segment.chunk_to)
        needed = needed_chunks(segment, infos)
        notes = store.notes(job_id, part.attempt) if self._meta.reask and part.attempt > 1 else None
        position = part.first
        for (_, info), rows in zip(needed, store.rows(job_id, [number for number, _ in needed]), strict=True):
            lines = []
            for number, row in enumerate(rows, start=info.first_row):
                if (number not in picked) if picked else not segment.first_row <= number < end_row:
                    continue
                if position not in left_out:
                    added = notes.turns(number) if notes is not None else []
                    talk = extended(row, self._speech.conversation_field, added) if added else row
                    lines.append(self._line(position, talk))
                position += 1
            yield lines

    def _line(self, position: int, row: bytes) -> bytes:
        if row[0] == _OBJECT:
            return self._speech.object_line(f"{self._prefix}{position}", self._template, row)
        return b"%b%d%b%b%b" % (self._start, position, self._middle, row, self._tail)
