"""What the parts of every provider share: tables, faults, settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchline_simulator.batch_table import BatchTable, StoredBatch
from batchline_simulator.config import SimulatorConfig
from batchline_simulator.core.run import Run
from batchline_simulator.core.trade import Desk
from batchline_simulator.database import Database
from batchline_simulator.faults import BATCH_KINDS, Fault, FaultBoard
from batchline_simulator.responder import Responder
from batchline_simulator.row_faults import RowFaults
from batchline_simulator.upstream import ReplyJournal, Upstream


@dataclass(frozen=True)
class Workshop:
    """The tools of every provider."""

    config: SimulatorConfig
    database: Database
    batches: BatchTable
    board: FaultBoard
    responder: Responder
    upstream: Upstream | None = None
    """Answers instead of the responder."""

    @property
    def work(self) -> Path:
        """Folder of files that nobody may see yet."""
        folder = self.config.data_dir / "work"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def delay_s(self, recorded_s: float) -> float:
        """Shorten a recorded delay, in seconds, by the speed factor."""
        return recorded_s / self.config.speed if self.config.speed else 0.0

    def input(self, batch_id: str) -> Path:
        """Say where a batch that started has its input, one request a line."""
        return self.work / f"{batch_id}.input"

    def replies(self, batch_id: str) -> Path:
        """Say where the upstream server's replies to a batch are kept until it ends."""
        return self.work / f"{batch_id}.replies"

    def forget(self, batch_id: str) -> None:
        """Remove what a batch needs only while it runs."""
        self.input(batch_id).unlink(missing_ok=True)
        self.replies(batch_id).unlink(missing_ok=True)

    def run(self, batch: StoredBatch, desk: Desk) -> Run:
        """Open the run of a batch that started."""
        rates = self.board.row_rates()
        kept = None if self.upstream is None else ReplyJournal(self.replies(batch.id), batch.lines)
        return Run(
            self.input(batch.id),
            self.work / batch.id,
            desk=desk,
            responder=self.responder,
            faults=RowFaults(self.database, rates, batch_id=batch.id, seed=self.config.seed),
            fail_all="all_failed" in batch.plan,
            replies=kept,
        )


def drawn_plan(faults: Mapping[str, Fault]) -> dict[str, Any]:
    """Return those of a create call's faults that stay with the batch, by kind."""
    return {
        kind: fault.model_dump(exclude_none=True) for kind, fault in faults.items() if kind in BATCH_KINDS
    }
