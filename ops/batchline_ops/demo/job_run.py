"""The job itself, as any application would run it: enqueue, read outcomes, look at what came of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from batchline import BatchRequest, RetryPolicy
from batchline_ops.demo.exactly_once import accepted_batches, judge
from batchline_ops.demo.facts import PackageFacts
from batchline_ops.demo.summary import Durations, summarize
from batchline_ops.demo.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from batchline import BatchClient, Job, ProviderBatch
    from batchline_ops.demo.corpus import Question
    from batchline_ops.demo.exactly_once import AcceptedBatch, Verdict
    from batchline_ops.demo.options import DemoOptions
    from batchline_ops.demo.progress import Live
    from batchline_ops.demo.summary import DemoSummary
    from batchline_ops.supervisor import StackState

__all__ = ["JobRun"]

_MAX_TOKENS = 400


class JobRun:
    """One job on a running stack."""

    def __init__(
        self,
        options: DemoOptions,
        model: str,
        state: StackState,
        client: BatchClient,
        *,
        ask_provider: Callable[[str, str], list[AcceptedBatch]] = accepted_batches,
    ) -> None:
        """Send nothing before `run`.

        Args:
            options: What was asked for.
            model: `provider/model-name`.
            state: The stack's addresses.
            client: Connected to its ledger.
            ask_provider: Lists the batches of a job, given the simulator's address and the job's id.
        """
        self.tally = Tally()
        self._options = options
        self._model = model
        self._state = state
        self._client = client
        self._ask_provider = ask_provider

    def run(
        self, questions: Iterable[Question], live: Live, *, start_s: float, data_dir: Path
    ) -> DemoSummary:
        """Ask all questions and read every outcome.

        Args:
            questions: Streamed; only the truth about each is kept.
            live: Shows how far it is.
            start_s: How long the stack took to start, for the summary.
            data_dir: For the summary too.

        Raises:
            BatchlineError: The queue failed, or the job did not end in time.
        """
        started = time.monotonic()
        job = self._client.enqueue(
            self._model,
            PackageFacts,
            self._requests(questions, live),
            max_tokens=_MAX_TOKENS,
            # Each failure that the simulator plays is to be seen, not healed.
            retry=RetryPolicy(max_attempts=1),
        )
        enqueued_s = time.monotonic() - started
        with live.watching(lambda: self._accepted(job.id)):
            for outcome in job.iter_results(timeout_s=self._options.timeout_s):
                self.tally.add(outcome)
                live.outcome(self.tally)
        durations = Durations(
            start_s=round(start_s, 3),
            enqueue_s=round(enqueued_s, 3),
            job_s=round(time.monotonic() - started, 3),
        )
        return summarize(
            self.tally,
            self._judge(job),
            durations,
            self._state,
            model=self._model,
            job_id=job.id,
            data_dir=data_dir,
            kept=self._options.keep,
        )

    def _requests(self, questions: Iterable[Question], live: Live) -> Iterator[BatchRequest]:
        """Remember the truth about each question while it passes by."""
        for count, question in enumerate(questions, start=1):
            self.tally.truth[question.custom_id] = question.truth
            live.enqueued(count)
            yield BatchRequest(custom_id=question.custom_id, messages=question.messages)

    def _judge(self, job: Job[PackageFacts]) -> Verdict:
        shards: list[ProviderBatch] = job.batches()
        return judge(self.tally.truth, self.tally.seen, shards, self._accepted(job.id))

    def _accepted(self, job_id: str) -> list[AcceptedBatch]:
        return self._ask_provider(self._state.simulator_url or "", job_id)
