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

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from batchline_shared.dialects.base import Dialect
    from batchline_shared.ledger import JobMeta, JobStore, ShardWork
    from batchline_shared.settings import Settings

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


def build_input(store: JobStore, settings: Settings, meta: JobMeta, shard: ShardWork) -> BinaryIO:
    """Stream a shard's requests into the provider's form; the same shard always gives the same bytes.

    Returns:
        A file at its start, to be closed by the caller.

    Raises:
        LedgerError: Requests are missing or damaged.
    """
    speech = dialect_of(settings, meta)
    target = cast("BinaryIO", SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES))  # noqa: SIM115 - the caller closes it
    try:
        for lines in _lines(store, meta, shard, shard.segment, speech):
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
    lines = _lines(store, meta, shard, segment, dialect_of(settings, meta))
    return zip(rows, chain.from_iterable(lines), strict=True)


def _lines(
    store: JobStore, meta: JobMeta, shard: ShardWork, segment: Segment, speech: Dialect
) -> Iterator[list[bytes]]:
    """The lines of a part of a shard, chunk by chunk."""
    template = orjson.loads(meta.template)
    head, middle, tail = speech.line_ends(meta.template)
    prefix = wire_prefix(shard.wire_name)
    start = head + prefix.encode()
    picked = set(segment.picked)
    end_row = segment.first_row + segment.rows
    infos = store.infos(meta.id, segment.chunk_from, segment.chunk_to)
    needed = needed_chunks(segment, infos)
    notes = store.notes(meta.id, shard.attempt) if meta.reask and shard.attempt > 1 else None
    position = 0
    for (_, info), rows in zip(needed, store.rows(meta.id, [number for number, _ in needed]), strict=True):
        lines = []
        for number, row in enumerate(rows, start=info.first_row):
            if (number not in picked) if picked else not segment.first_row <= number < end_row:
                continue
            talk = row
            if notes is not None and (added := notes.turns(number)):
                talk = extended(row, speech.conversation_field, added)
            if talk[0] == _OBJECT:
                lines.append(speech.object_line(f"{prefix}{position}", template, talk))
            else:
                lines.append(b"%b%d%b%b%b" % (start, position, middle, talk, tail))
            position += 1
        yield lines
