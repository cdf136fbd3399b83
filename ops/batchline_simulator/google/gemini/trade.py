"""Gemini's say over the life of its batches.

What is wrong with the rows showed when the batch was created; from there on it
runs to its end, and only one that completed has results.
"""

from typing import Any

import orjson

from batchline_simulator.batch_table import StoredBatch
from batchline_simulator.core import Fields, Run, Workshop
from batchline_simulator.google.blob_table import BlobTable
from batchline_simulator.google.gemini.desk import GeminiDesk
from batchline_simulator.google.gemini.files import CONTAINER
from batchline_simulator.google.gemini.operations import OUTPUT_TYPE, WORDS, failure, moved, stats
from batchline_simulator.google.measuring import measured
from batchline_simulator.google.rpc_errors import INTERNAL, quota_details
from batchline_simulator.phases import Pace, Phase

_DEADLINE_EXCEEDED = 4


class GeminiTrade:
    """Implements `Trade`."""

    provider = "gemini"
    words = WORDS
    stuck_in: Phase = "checking"
    pace = Pace(checking_s=1.0, running_s=6.0, finishing_s=0.0, cancelling_s=1.0, window_s=2 * 86_400.0)
    """A recorded batch of two rows took 68 s; those of all providers pass alike here."""

    def __init__(self, shop: Workshop, blobs: BlobTable) -> None:
        self.shop = shop
        self.blobs = blobs

    def check(self, batch: StoredBatch) -> None:
        """Find nothing: the rows were checked when the batch was created."""
        del batch

    def start(self, batch: StoredBatch) -> None:
        """Do nothing: the call that created the batch has put its input in place."""
        del batch

    def desk(self, batch: StoredBatch) -> GeminiDesk:
        """Make the desk for the batch's model."""
        model = batch.doc["metadata"]["model"].removeprefix("models/")
        return GeminiDesk(seed=batch.id, model=model, error_details="error_details" in batch.plan)

    def entered(self, batch: StoredBatch, phase: Phase) -> Fields:
        """Set the state and its moment."""
        fields = moved(batch.doc, phase)
        if phase == "cancelled":
            fields |= failure(INTERNAL, f"{batch.doc['name']} was cancelled")
        if phase == "expired":
            # That there are no results is documented; the error is a guess.
            fields |= failure(_DEADLINE_EXCEEDED, f"{batch.doc['name']} expired")
        return fields

    def progress(self, batch: StoredBatch, run: Run) -> Fields:
        """Count the requests that are done, on top of whatever the batch has become meanwhile."""
        now = self.shop.batches.get(batch.id) or batch
        return {"metadata": _counted(now, run)}

    def publish(self, batch: StoredBatch, run: Run, end: Phase) -> tuple[Phase, Fields]:
        """Make the result file, or put the results into the operation where the requests came in it."""
        counted = {"metadata": _counted(batch, run)}
        if "system_error" in batch.plan:
            details = quota_details() if "error_details" in batch.plan else None
            return "failed", moved(counted, "failed") | failure(INTERNAL, "Internal error", details)
        fields = moved(counted, end)
        if end != "completed":
            return end, fields
        output = self._inlined(batch, run) if batch.input_file_id is None else self._file(batch, run)
        fields["metadata"]["output"] = output
        return end, {**fields, "response": {"@type": OUTPUT_TYPE, **output}}

    def _file(self, batch: StoredBatch, run: Run) -> dict[str, Any]:
        name, draft = f"files/batch-{batch.id}", self.blobs.draft(f"batch-{batch.id}")
        run.pile("output").write(draft, None)
        self.blobs.add(
            CONTAINER, name, measured(draft), media_type="application/jsonl", metadata={"source": "GENERATED"}
        )
        return {"responsesFile": name}

    def _inlined(self, batch: StoredBatch, run: Run) -> dict[str, Any]:
        draft = self.blobs.draft(f"batch-{batch.id}")
        run.pile("output").write(draft, None)
        with draft.open("rb") as source:
            # Held in memory, as the call that brought the requests was; it has a limit for that.
            responses = [orjson.loads(line) for line in source]
        draft.unlink()
        for response in responses:
            response.pop("key", None)
        return {"inlinedResponses": {"inlinedResponses": responses}}


def _counted(batch: StoredBatch, run: Run) -> dict[str, Any]:
    return {**batch.doc["metadata"], "batchStats": stats(batch.lines, run.completed, run.failed)}
