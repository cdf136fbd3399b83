"""How a batch gets from its creation to its end, whoever its provider is.

One task per batch on the event loop; reading and answering happen in threads,
a slice at a time, so that calls are answered meanwhile. Phases are written
before they begin, and a phase can be done again: after a restart each batch
goes on from the phase that was stored. See `phases` for the way they follow.
"""

import asyncio
import logging
import math
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from batchline_simulator.batch_table import StoredBatch
from batchline_simulator.core.reading import upstream_request
from batchline_simulator.core.run import Run
from batchline_simulator.core.trade import Fields, Trade
from batchline_simulator.core.workshop import Workshop
from batchline_simulator.faults import Fault
from batchline_simulator.phases import FINAL, Phase
from batchline_simulator.upstream import Feeder

_LOGGER = logging.getLogger(__name__)

_SLICES = 20
_MAX_SLICE = 250
"""Requests answered between two looks at the clock and at cancellation."""


class BatchLife:
    """Runs every live batch of one provider in one process."""

    def __init__(self, workshop: Workshop, trade: Trade) -> None:
        self._shop = workshop
        self._trade = trade
        self._pool = ThreadPoolExecutor(4, thread_name_prefix=f"{trade.provider}-batch")
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stops: dict[str, asyncio.Event] = {}

    def accept(self, batch: StoredBatch, faults: Mapping[str, Fault]) -> None:
        """Store a new batch and start its life; `faults` are those of its create call."""
        lag = faults.get("list_lag")
        self._shop.batches.add(batch, hidden_s=lag.seconds if lag else 0.0)
        self._launch(batch.id)

    def resume(self) -> None:
        """Take up every batch that an earlier process left unfinished."""
        for batch in self._shop.batches.live(self._trade.provider):
            self._launch(batch.id)

    def cancel(self, batch_id: str) -> StoredBatch:
        """Turn a live batch to `cancelling`; it ends a moment later."""
        batch = self._enter(batch_id, "cancelling")
        if (stop := self._stops.get(batch_id)) is not None:
            stop.set()
        return batch

    async def close(self) -> None:
        """Stop where every batch stands."""
        for task in list(self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._pool.shutdown(cancel_futures=True)

    def _launch(self, batch_id: str) -> None:
        self._stops[batch_id] = asyncio.Event()
        task = asyncio.get_running_loop().create_task(self._live(batch_id))
        self._tasks[batch_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(batch_id, None))

    async def _live(self, batch_id: str) -> None:
        try:
            await self._pass_phases(batch_id)
        except Exception:
            # Nobody waits for this task: without a word here a batch would hang and not say why.
            _LOGGER.exception("the simulator broke on batch %s", batch_id)
        finally:
            self._stops.pop(batch_id, None)

    async def _pass_phases(self, batch_id: str) -> None:
        if self._batch(batch_id).phase == "checking":
            if await self._wait_out(batch_id, "checking", self._trade.pace.checking_s):
                self._enter(batch_id, "expired")
                self._shop.forget(batch_id)
                return
            await self._check(batch_id)
        batch = self._batch(batch_id)
        if batch.live and not batch.started:
            await asyncio.sleep(self._shop.delay_s(self._trade.pace.cancelling_s))
            self._enter(batch_id, "cancelled")
            self._shop.forget(batch_id)
        elif batch.live:
            run = self._shop.run(batch, self._trade.desk(batch))
            try:
                await self._run(batch, run)
            finally:
                run.close()

    async def _check(self, batch_id: str) -> None:
        """Fail the batch, or let it start; a cancelled one is left alone."""
        if self._batch(batch_id).phase != "checking":
            return
        found = await self._in_thread(self._trade.check, self._batch(batch_id))
        if self._batch(batch_id).phase != "checking":
            return
        if found is not None:
            self._enter(batch_id, "failed", found)
            return
        self._trade.start(self._batch(batch_id))
        self._enter(batch_id, "running")

    async def _run(self, batch: StoredBatch, run: Run) -> None:
        """Execute what the phase asks for, and end the batch."""
        wanted, pace = batch.lines, self._trade.pace
        expiring = "expire" in batch.plan
        if expiring:
            wanted = math.floor(batch.lines * (1 - batch.plan["expire"]["fraction"]))
        if batch.phase == "cancelling":
            # Cancelled before a restart: redo what had been done, and nothing more.
            wanted = batch.done
        await self._execute(batch, run, wanted)
        if self._batch(batch.id).phase == "running" and expiring:
            await self._finish(batch.id, run, "expired")
            return
        expired = await self._wait_out(batch.id, "running", 0)
        if not expired and self._batch(batch.id).phase == "running":
            self._enter(batch.id, "finishing")
        expired = expired or await self._wait_out(batch.id, "finishing", pace.finishing_s)
        if self._batch(batch.id).phase == "cancelling":
            await asyncio.sleep(self._shop.delay_s(pace.cancelling_s))
            await self._finish(batch.id, run, "cancelled")
        else:
            await self._finish(batch.id, run, "expired" if expired else "completed")

    async def _execute(self, batch: StoredBatch, run: Run, wanted: int) -> None:
        """Run requests, by the upstream server where there is one."""
        shop = self._shop
        if shop.upstream is None or run.replies is None:
            await self._execute_from(batch, run, wanted, None)
            return
        # A desk of its own: that of the run is used in another thread at the same time.
        request_of = partial(upstream_request, self._trade.desk(batch))
        async with Feeder(shop.upstream, run.replies, shop.input(batch.id), wanted, request_of) as feeder:
            await self._execute_from(batch, run, wanted, feeder)

    async def _execute_from(self, batch: StoredBatch, run: Run, wanted: int, feeder: Feeder | None) -> None:
        """Run requests at the recorded pace, or as fast as possible where that is slower."""
        stop = self._stops[batch.id]
        length_s = self._shop.delay_s(self._trade.pace.running_s) if batch.phase == "running" else 0.0
        started = time.monotonic()
        size = max(1, min(_MAX_SLICE, wanted // _SLICES))
        while run.done < wanted and (batch.phase == "cancelling" or not stop.is_set()):
            rows = min(size, wanted - run.done)
            if feeder is not None:
                rows = await feeder.ready(run.done, rows, stop)
            await self._in_thread(run.step, rows)
            if run.done > batch.done:
                # Not below what was shown before a restart: a client must not see work undone.
                fields = self._trade.progress(batch, run)
                self._shop.batches.change(batch.id, fields, done=run.done)
            due = started + length_s * run.done / wanted
            await _wait(stop, due - time.monotonic())

    async def _finish(self, batch_id: str, run: Run, end: Phase) -> None:
        """Publish the results and enter the final phase."""
        if end != "completed":
            await self._in_thread(run.leave_rest, end)
        end, fields = await self._in_thread(self._trade.publish, self._batch(batch_id), run, end)
        self._enter(batch_id, end, fields)
        self._shop.forget(batch_id)

    async def _wait_out(self, batch_id: str, phase: Phase, seconds: float) -> bool:
        """Stay in a phase; say whether the completion window ended meanwhile."""
        batch = self._batch(batch_id)
        if batch.phase != phase:
            return False
        wanted = batch.plan.get("stuck", {}).get("value")
        stuck = "stuck" in batch.plan and (
            phase == self._trade.stuck_in if wanted is None else wanted == self._trade.words[phase]
        )
        window_s = self._shop.delay_s(self._trade.pace.window_s) or math.inf
        stopped = await _wait(self._stops[batch_id], window_s if stuck else self._shop.delay_s(seconds))
        return stuck and not stopped

    def _enter(self, batch_id: str, phase: Phase, fields: Fields | None = None) -> StoredBatch:
        """Write a phase, with what the provider's object tells of it."""
        batch = self._batch(batch_id)
        changes = {**self._trade.entered(batch, phase), **(fields or {})}
        return self._shop.batches.enter(
            batch_id, phase, self._trade.words[phase], changes, live=phase not in FINAL
        )

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
