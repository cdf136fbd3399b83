"""OpenAI's say over the life of its batches: statuses, times, checks and result files."""

import hashlib
import random
import time
from collections.abc import Mapping
from typing import Any

from batchline_simulator.batch_table import StoredBatch
from batchline_simulator.core import Fields, Run, Workshop
from batchline_simulator.file_table import FileTable, StoredFile
from batchline_simulator.openai import objects
from batchline_simulator.openai.desk import OpenAiDesk
from batchline_simulator.openai.endpoint import Endpoint
from batchline_simulator.openai.validation import missing_file, over_token_limit, validate
from batchline_simulator.phases import Pace, Phase
from batchline_simulator.quirks import Quirks
from batchline_simulator.shuffled_lines import ShuffledLines


class OpenAiTrade:
    """Implements `Trade`."""

    provider = "openai"
    words = objects.WORDS
    stuck_in: Phase = "finishing"
    pace = Pace(checking_s=1.0, running_s=6.0, finishing_s=1.0, cancelling_s=1.0)
    """Of a recorded 3-line batch."""

    def __init__(self, shop: Workshop, files: FileTable, endpoints: Mapping[str, Endpoint]) -> None:
        self.shop = shop
        self.files = files
        self.quirks = Quirks(shop.config.quirks)
        bare = endpoints if "bare-paths" in self.quirks else {}
        self.endpoints = {**endpoints, **{path.removeprefix("/v1"): bare[path] for path in bare}}

    def check(self, batch: StoredBatch) -> Fields | None:
        """Read the whole input, and say everything that is wrong with it."""
        found = self._errors(batch)
        return {"errors": objects.batch_errors(found)} if found else None

    def start(self, batch: StoredBatch) -> None:
        """Link the input, so that a client may delete the file while the batch runs."""
        self.shop.input(batch.id).unlink(missing_ok=True)
        self.shop.input(batch.id).hardlink_to(self.files.path(batch.input_file_id or ""))

    def desk(self, batch: StoredBatch) -> OpenAiDesk:
        """Make the desk for the batch's endpoint."""
        config = self.shop.config
        return OpenAiDesk(
            self.endpoints[batch.doc["endpoint"]],
            seed=batch.id,
            organization=config.organization,
            cancelled_lines=config.cancelled_lines,
            quirks=self.quirks,
        )

    def entered(self, batch: StoredBatch, phase: Phase) -> Fields:
        """Set the status and its moment, in Unix seconds."""
        status = self.words[phase]
        fields: Fields = {"status": status, f"{status}_at": int(time.time())}
        if phase == "running":
            fields |= {"request_counts": objects.counts(batch.lines, 0, 0), "model": batch.model}
        return fields

    def progress(self, batch: StoredBatch, run: Run) -> Fields:
        """Count the requests that are done."""
        return {"request_counts": objects.counts(batch.lines, run.completed, run.failed)}

    def publish(self, batch: StoredBatch, run: Run, end: Phase) -> tuple[Phase, Fields]:
        """Make the output and error file, each only where it has a line."""
        empty = "" if "empty_error_file" in batch.plan else None
        used = run.desk.usage if isinstance(run.desk, OpenAiDesk) else objects.NOTHING_USED
        kept = "empty-error-file" in self.quirks and not run.failed
        return end, {
            "output_file_id": self._publish(batch, run.pile("output"), "output"),
            "error_file_id": self._publish(batch, run.pile("error"), "error", even_empty=kept) or empty,
            "usage": objects.usage(used),
            **self.progress(batch, run),
        }

    def _errors(self, batch: StoredBatch) -> list[dict[str, Any]]:
        config, input_file_id = self.shop.config, batch.input_file_id or ""
        content = self.files.path(input_file_id)
        if batch.sha256 is None or not content.exists() or "cannot_find_file" in batch.plan:
            return [missing_file(input_file_id, config.organization)]
        verdict = validate(content, self.endpoints[batch.doc["endpoint"]], config)
        if verdict.errors or verdict.model is None:
            return verdict.errors
        limit = config.token_limit.get(verdict.model)
        if not self.shop.batches.enqueue(batch.id, verdict.model, verdict.tokens, limit):
            return [over_token_limit(verdict.model, limit or 0, config.organization)]
        return []

    def _publish(
        self, batch: StoredBatch, lines: ShuffledLines, kind: str, *, even_empty: bool = False
    ) -> str | None:
        if not len(lines) and not even_empty:
            return None
        # The id follows from the batch: a run that a kill cut short here publishes the same file again.
        seed = hashlib.sha256(f"{batch.id}/{kind}".encode()).digest()
        rng = random.Random(seed)  # noqa: S311 - ids and order of a simulation
        file_id = self.quirks.id("file-" + objects.random_text(rng, 22))
        written = lines.write(self.shop.work / file_id, rng)
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
