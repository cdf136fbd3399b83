"""Anthropic's say over the life of its batches.

There is no check before a batch runs: what a request does wrong is told in its
own result line, and nothing of the progress is shown before all have ended.
"""

import random
import time

from batchline_simulator.anthropic import objects
from batchline_simulator.anthropic.desk import AnthropicDesk
from batchline_simulator.batch_table import StoredBatch
from batchline_simulator.core import Fields, Run, Workshop
from batchline_simulator.file_table import FileTable, StoredFile
from batchline_simulator.phases import FINAL, Pace, Phase

PILE = "results"
_LIFE_S = 29 * 86_400
"""How long results are kept, in seconds."""


class AnthropicTrade:
    """Implements `Trade`."""

    provider = "anthropic"
    words = objects.WORDS
    stuck_in: Phase = "running"
    pace = Pace(checking_s=0.0, running_s=45.0, finishing_s=0.0, cancelling_s=5.0)
    """The first of a recorded 3-request batch; cancelling took a few polls."""

    def __init__(self, shop: Workshop, files: FileTable) -> None:
        self.shop = shop
        self.files = files

    def check(self, batch: StoredBatch) -> Fields | None:
        """Find nothing: the create call has checked all that is checked."""
        del batch
        return None

    def start(self, batch: StoredBatch) -> None:
        """Do nothing: the create call has put the input in its place."""

    def desk(self, batch: StoredBatch) -> AnthropicDesk:
        """Make the desk under the API's version that the create call named."""
        version = str(batch.mark.get("anthropic_version", ""))
        return AnthropicDesk(batch.id, version=version, config=self.shop.config)

    def entered(self, batch: StoredBatch, phase: Phase) -> Fields:
        """Set the status and its moment."""
        fields: Fields = {"processing_status": self.words[phase]}
        if phase == "cancelling":
            fields["cancel_initiated_at"] = objects.moment()
        if phase in FINAL:
            fields["ended_at"] = objects.moment()
            fields["results_url"] = objects.results_path(batch.id)
            fields["archived_at"] = objects.moment() if "archived" in batch.plan else None
        return fields

    def progress(self, batch: StoredBatch, run: Run) -> Fields:
        """Tell nothing, as the provider does."""
        del batch, run
        return {}

    def publish(self, batch: StoredBatch, run: Run, end: Phase) -> tuple[Phase, Fields]:
        """Make the results visible, unless they are archived already."""
        ended = run.desk.ended if isinstance(run.desk, AnthropicDesk) else {}
        if "archived" not in batch.plan:
            rng = random.Random(batch.id)  # noqa: S311 - the order of a simulation
            written = run.pile(PILE).write(self.shop.work / f"{batch.id}.jsonl", rng, last_feed=False)
            now = int(time.time())
            stored = StoredFile(
                id=batch.id,
                purpose=PILE,
                filename=f"{batch.id}_results.jsonl",
                bytes=written.bytes,
                lines=written.lines,
                sha256=written.sha256,
                created_at=now,
                expires_at=now + _LIFE_S,
            )
            self.files.add(stored, written.content)
        return end, {"request_counts": objects.counts(ended)}
