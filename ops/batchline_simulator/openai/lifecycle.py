"""How a batch gets from `validating` to its end.

One task per batch on the event loop; reading and answering happen in threads,
a slice at a time, so that calls are answered meanwhile. Statuses are written
before the next phase starts, and a phase can be done again: after a restart
each batch goes on from the status that was stored.

    validating ─► failed
        └─► in_progress ─► finalizing ─► completed
                 └─► expired
    cancel: any of the first three ─► cancelling ─► cancelled
"""

import asyncio
import math
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from batchline_simulator.batch_table import StoredBatch
from batchline_simulator.openai import objects
from batchline_simulator.openai.execution import Execution
from batchline_simulator.openai.validation import Verdict, missing_file, over_token_limit, validate
from batchline_simulator.openai.workshop import Workshop

VALIDATING_S = 1.0
IN_PROGRESS_S = 6.0
FINALIZING_S = 1.0
CANCELLING_S = 1.0
"""Lengths of the phases of a recorded 3-line batch, in seconds at speed 1."""

_SLICES = 20
_MAX_SLICE = 250
"""Requests answered between two looks at the clock and at cancellation."""


class Lifecycle:
    """Runs every live batch of one process."""

    def __init__(self, workshop: Workshop) -> None:
        self._shop = workshop
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="batch")
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stops: dict[str, asyncio.Event] = {}

    def resume(self) -> None:
        """Take up every batch that an earlier process left unfinished."""
        for batch in self._shop.batches.live(self._shop.provider):
            self.launch(batch.id)

    def launch(self, batch_id: str) -> None:
        """Start the life of a batch that was just accepted."""
        self._stops[batch_id] = asyncio.Event()
        task = asyncio.get_running_loop().create_task(self._live(batch_id))
        self._tasks[batch_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(batch_id, None))

    def cancel(self, batch_id: str) -> StoredBatch:
        """Turn a live batch to `cancelling`; it ends a moment later."""
        changes = {"status": "cancelling", "cancelling_at": _now()}
        batch = self._shop.batches.change(batch_id, changes)
        if (stop := self._stops.get(batch_id)) is not None:
            stop.set()
        return batch

    async def close(self) -> None:
        """Stop where every batch stands."""
        for task in list(self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._pool.shutdown(cancel_futures=True)

    async def _live(self, batch_id: str) -> None:
        if self._batch(batch_id).status == "validating":
            await self._wait_out(batch_id, "validating", VALIDATING_S)
            await self._validate(batch_id)
        batch = self._batch(batch_id)
        if batch.live and batch.doc["in_progress_at"] is None:
            await self._end(batch_id, "cancelled", {})
        elif batch.live:
            execution = self._shop.execution(batch)
            try:
                await self._run(batch, execution)
            finally:
                execution.close()
        self._stops.pop(batch_id, None)

    async def _validate(self, batch_id: str) -> None:
        """Fail the batch, or let it start; a cancelled one is left alone."""
        batch = self._batch(batch_id)
        if batch.status != "validating":
            return
        errors = await self._found_errors(batch)
        if self._batch(batch_id).status != "validating":
            return
        if errors:
            changes = {"status": "failed", "errors": objects.batch_errors(errors), "failed_at": _now()}
            self._shop.batches.change(batch_id, changes, live=False)
            return
        self._shop.keep_input(batch)
        model = self._batch(batch_id).model
        counts = objects.counts(batch.lines, 0, 0)
        changes = {
            "status": "in_progress",
            "in_progress_at": _now(),
            "request_counts": counts,
            "model": model,
        }
        self._shop.batches.change(batch_id, changes)

    async def _found_errors(self, batch: StoredBatch) -> list[dict[str, Any]]:
        config, content = self._shop.config, self._shop.files.path(batch.input_file_id)
        if batch.sha256 is None or not content.exists() or "cannot_find_file" in batch.plan:
            return [missing_file(batch.input_file_id, config.organization)]
        endpoint = self._shop.endpoints[batch.doc["endpoint"]]
        verdict: Verdict = await self._in_thread(validate, content, endpoint, config)
        if verdict.errors or verdict.model is None:
            return verdict.errors
        limit = config.token_limit.get(verdict.model)
        if not self._shop.batches.enqueue(batch.id, verdict.model, verdict.tokens, limit):
            return [over_token_limit(verdict.model, limit or 0, config.organization)]
        return []

    async def _run(self, batch: StoredBatch, execution: Execution) -> None:
        """Execute what the status asks for, and end the batch."""
        wanted = batch.lines
        expiring = "expire" in batch.plan
        if expiring:
            wanted = math.floor(batch.lines * (1 - batch.plan["expire"]["fraction"]))
        if batch.status == "cancelling":
            # Cancelled before a restart: redo what had been done, and nothing more.
            wanted = _done(batch)
        await self._execute(batch, execution, wanted)
        if self._batch(batch.id).status == "in_progress" and expiring:
            await self._finish(batch.id, execution, "expired", "batch_expired")
            return
        expired = await self._wait_out(batch.id, "in_progress", 0)
        if not expired and self._batch(batch.id).status == "in_progress":
            self._shop.batches.change(batch.id, {"status": "finalizing", "finalizing_at": _now()})
        expired = expired or await self._wait_out(batch.id, "finalizing", FINALIZING_S)
        if self._batch(batch.id).status == "cancelling":
            await asyncio.sleep(self._shop.delay_s(CANCELLING_S))
            rest = "batch_cancelled" if self._shop.config.cancelled_lines else None
            await self._finish(batch.id, execution, "cancelled", rest)
        else:
            await self._finish(batch.id, execution, "expired" if expired else "completed", None)

    async def _execute(self, batch: StoredBatch, execution: Execution, wanted: int) -> None:
        """Run requests at the recorded pace, or as fast as possible where that is slower."""
        stop = self._stops[batch.id]
        length_s = self._shop.delay_s(IN_PROGRESS_S) if batch.status == "in_progress" else 0.0
        started = time.monotonic()
        size = max(1, min(_MAX_SLICE, wanted // _SLICES))
        while execution.done < wanted and (batch.status == "cancelling" or not stop.is_set()):
            await self._in_thread(execution.step, min(size, wanted - execution.done))
            counts = objects.counts(batch.lines, execution.completed, execution.failed)
            if execution.done > _done(batch):
                # Not below what was shown before a restart: a client must not see work undone.
                self._shop.batches.change(batch.id, {"request_counts": counts})
            due = started + length_s * execution.done / wanted
            await _wait(stop, due - time.monotonic())

    async def _finish(self, batch_id: str, execution: Execution, status: str, rest: str | None) -> None:
        """Publish the files and set the final status."""
        if rest is not None:
            await self._in_thread(execution.leave_rest, rest)
        changes = await self._in_thread(self._shop.publish, self._batch(batch_id), execution)
        await self._end(batch_id, status, changes)

    async def _end(self, batch_id: str, status: str, changes: dict[str, Any]) -> None:
        if status == "cancelled" and not changes:
            await asyncio.sleep(self._shop.delay_s(CANCELLING_S))
        final = {"status": status, f"{status}_at": _now(), **changes}
        self._shop.batches.change(batch_id, final, live=False)
        self._shop.input(batch_id).unlink(missing_ok=True)

    async def _wait_out(self, batch_id: str, status: str, seconds: float) -> bool:
        """Stay in a phase; say whether the completion window ended meanwhile."""
        batch = self._batch(batch_id)
        if batch.status != status:
            return False
        stuck = batch.plan.get("stuck", {}).get("value", "finalizing") == status and "stuck" in batch.plan
        window_s = self._shop.delay_s(objects.DAY_S) or math.inf
        stopped = await _wait(self._stops[batch_id], window_s if stuck else self._shop.delay_s(seconds))
        return stuck and not stopped

    def _batch(self, batch_id: str) -> StoredBatch:
        batch = self._shop.batches.get(batch_id)
        if batch is None:
            raise LookupError(batch_id)
        return batch

    async def _in_thread(self, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)


async def _wait(stop: asyncio.Event, seconds: float) -> bool:
    """Wait until the time is over or the batch is cancelled; say whether it was."""
    if seconds > 0 and not stop.is_set():
        try:
            await asyncio.wait_for(stop.wait(), None if seconds == math.inf else seconds)
        except TimeoutError:
            return False
    return stop.is_set()


def _done(batch: StoredBatch) -> int:
    counts = batch.doc["request_counts"]
    return int(counts["completed"] + counts["failed"])


def _now() -> int:
    return int(time.time())
