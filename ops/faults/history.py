"""What was recorded of one run: all that the checker needs, which asks nobody."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

import orjson

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Acked", "Act", "Bound", "History", "JobEnd", "Late", "Outcome", "Read", "SeenBatch", "Shard"]


@dataclass(frozen=True)
class Acked:
    """A job whose `enqueue` returned."""

    job_id: str
    provider: str
    requests: int


@dataclass(frozen=True)
class Act:
    """Something that was done to the system."""

    kind: str
    """`kill` is a SIGKILL; others as the fault calls them."""
    provider: str
    """Whose work it hit; empty where it hit everybody's."""


@dataclass(frozen=True)
class SeenBatch:
    """A batch that a provider accepted, by the simulator's own books."""

    id: str
    provider: str
    mark: str
    """Which shard it says that it is; empty where it says nothing."""
    requests: int
    ran: bool
    """Whether any of it may have been run, and so billed."""
    results: tuple[str, ...]
    """What the path of a call that reads its results has in it."""


@dataclass(frozen=True)
class Read:
    """A call that read results, by the simulator's log."""

    provider: str
    path: str


@dataclass(frozen=True)
class Shard:
    """One attempt at some rows, by the ledger's final state."""

    id: str
    mark: str
    """What its batches bear."""
    job_id: str
    provider: str
    state: str
    batch_id: str
    requests: int


@dataclass(frozen=True)
class JobEnd:
    """A job's counters, by the ledger's final state."""

    job_id: str
    provider: str
    final: bool
    total: int
    succeeded: int
    errored: int


@dataclass(frozen=True)
class Outcome:
    """What the client read about one request."""

    job_id: str
    custom_id: str
    success: bool


@dataclass(frozen=True)
class Late:
    """Work that was past its lease while nothing was wrong, and that nobody had taken over."""

    stage: str
    member: str
    late_s: float
    """Longest time, in seconds, for which it was seen so under one lease."""


@dataclass(frozen=True)
class Bound:
    """Something that was measured and must not exceed a limit."""

    name: str
    measured: float
    limit: float
    provider: str = ""


@dataclass
class History:
    """Everything about one run of one fault."""

    fault: str
    tick_s: float
    acked: list[Acked] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    batches: list[SeenBatch] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    shards: list[Shard] = field(default_factory=list)
    jobs: list[JobEnd] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    late: list[Late] = field(default_factory=list)
    bounds: list[Bound] = field(default_factory=list)
    struck: dict[str, int] = field(default_factory=dict)
    """Provider → calls that the simulator spoiled."""
    gauges: dict[str, int] = field(default_factory=dict)
    """`succeeded`, `errored` → requests of ended jobs, by the ledger's own tally."""
    leftovers: list[str] = field(default_factory=list)
    """Work that was still due when every job had ended."""
    seconds: float = 0.0

    def save(self, path: Path) -> None:
        """Write it as JSON, for the checker to read later."""
        path.write_bytes(orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        raw: dict[str, Any] = orjson.loads(path.read_bytes())
        for name, kind in _ROWS.items():
            raw[name] = [kind(**row) for row in raw[name]]
        raw["batches"] = [SeenBatch(**{**row, "results": tuple(row["results"])}) for row in raw["batches"]]
        return cls(**raw)


_ROWS: dict[str, Any] = {
    "acked": Acked,
    "acts": Act,
    "reads": Read,
    "shards": Shard,
    "jobs": JobEnd,
    "outcomes": Outcome,
    "late": Late,
    "bounds": Bound,
}
