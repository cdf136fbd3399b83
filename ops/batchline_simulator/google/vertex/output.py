"""A job's predictions, written into its output directory.

Beside the predictions lies what the job had exported while it ran: a part of
the same rows, which a reader must pass over.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from batchline_simulator.google.blob_table import BlobTable
from batchline_simulator.google.measuring import measured
from batchline_simulator.google.vertex.inputs import Address
from batchline_simulator.shuffled_lines import ShuffledLines

PREDICTIONS = "predictions.jsonl"
DECOY = "incremental_predictions.jsonl"
_DECOY_ROWS = 3


@dataclass(frozen=True)
class OutputNames:
    """How the objects of an output directory are named."""

    shards: int
    pattern: str
    """With `{shard}` and `{shards}`; used where there is more than one."""

    def all(self) -> list[str]:
        """Return the name of each."""
        if self.shards == 1:
            return [PREDICTIONS]
        return [self.pattern.format(shard=shard, shards=self.shards) for shard in range(self.shards)]


def write_predictions(
    lines: ShuffledLines,
    directory: Address,
    blobs: BlobTable,
    *,
    names: OutputNames,
    rng: random.Random,
) -> None:
    """Write the rows of a job in random order. Doing it again after a restart replaces the same objects."""
    draft = blobs.draft(f"predictions-{rng.getrandbits(64):016x}")
    written = lines.write(draft, rng)
    try:
        wanted = names.all()
        share = -(-written.lines // len(wanted)) or 1
        with draft.open("rb") as source:
            for name in wanted:
                _store(_lines(source, share), name, directory, blobs)
            source.seek(0)
            _store(_lines(source, _DECOY_ROWS), DECOY, directory, blobs)
    finally:
        draft.unlink(missing_ok=True)


def _store(lines: Iterator[bytes], name: str, directory: Address, blobs: BlobTable) -> None:
    draft = blobs.draft(f"{directory.name}/{name}".replace("/", "-"))
    with draft.open("wb") as sink:
        sink.writelines(lines)
    path = f"{directory.name}/{name}".lstrip("/")
    blobs.add(directory.bucket, path, measured(draft), media_type="text/plain", metadata={})


def _lines(source: Iterator[bytes], most: int) -> Iterator[bytes]:
    for _, line in zip(range(most), source, strict=False):
        yield line
