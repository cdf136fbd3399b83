"""What the parts of the OpenAI simulator share: tables, endpoints, settings."""

import hashlib
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchline_simulator.batch_table import BatchTable, StoredBatch
from batchline_simulator.config import SimulatorConfig
from batchline_simulator.database import Database
from batchline_simulator.faults import FaultBoard
from batchline_simulator.file_table import FileTable, StoredFile
from batchline_simulator.openai import objects
from batchline_simulator.openai.endpoint import Endpoint
from batchline_simulator.openai.execution import Execution
from batchline_simulator.responder import Responder
from batchline_simulator.row_faults import RowFaults
from batchline_simulator.shuffled_lines import ShuffledLines


@dataclass(frozen=True)
class Workshop:
    """The tools of one provider."""

    config: SimulatorConfig
    database: Database
    files: FileTable
    batches: BatchTable
    board: FaultBoard
    responder: Responder
    endpoints: Mapping[str, Endpoint]
    provider: str = "openai"

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
        """Say where a batch that passed its validation has its own link to the input."""
        return self.work / f"{batch_id}.input"

    def keep_input(self, batch: StoredBatch) -> None:
        """Link the input, so that a client may delete the file while the batch runs."""
        self.input(batch.id).unlink(missing_ok=True)
        self.input(batch.id).hardlink_to(self.files.path(batch.input_file_id))

    def execution(self, batch: StoredBatch) -> Execution:
        """Open the execution of a batch that passed its validation."""
        rates = self.board.row_rates()
        return Execution(
            self.input(batch.id),
            self.work / batch.id,
            endpoint=self.endpoints[batch.doc["endpoint"]],
            responder=self.responder,
            faults=RowFaults(self.database, rates, batch_id=batch.id, seed=self.config.seed),
            organization=self.config.organization,
            fail_all="all_failed" in batch.plan,
        )

    def publish(self, batch: StoredBatch, execution: Execution) -> dict[str, Any]:
        """Make the output and error file, each only where it has a line; return the batch's new fields."""
        empty = "" if "empty_error_file" in batch.plan else None
        counts = objects.counts(batch.lines, execution.completed, execution.failed)
        return {
            "output_file_id": self._publish(batch, execution.output, "output"),
            "error_file_id": self._publish(batch, execution.errors, "error") or empty,
            "request_counts": counts,
            "usage": objects.usage(execution.usage),
        }

    def _publish(self, batch: StoredBatch, lines: ShuffledLines, kind: str) -> str | None:
        if not len(lines):
            return None
        # The id follows from the batch: a run that a kill cut short here publishes the same file again.
        seed = hashlib.sha256(f"{batch.id}/{kind}".encode()).digest()
        rng = random.Random(seed)  # noqa: S311 - ids and order of a simulation
        file_id = "file-" + objects.random_text(rng, 22)
        written = lines.write(self.work / file_id, rng)
        now = int(time.time())
        life_s = batch.plan.get("output_life_s", objects.FILE_LIFE_S)
        stored = StoredFile(
            id=file_id,
            purpose="batch_output",
            filename=f"{batch.id}_{kind}.jsonl",
            bytes=written.bytes,
            lines=written.lines,
            sha256=written.sha256,
            created_at=now,
            expires_at=now + life_s,
        )
        self.files.add(stored, written.content)
        return file_id
