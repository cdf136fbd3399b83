"""`/v1/messages/batches`."""

import asyncio
import random
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from batchline_simulator.anthropic import objects
from batchline_simulator.anthropic.body import BodyError
from batchline_simulator.anthropic.errors import refused, too_large
from batchline_simulator.anthropic.intake import BodyTooLargeError, Intake, split, spool
from batchline_simulator.anthropic.params import sampling_problem
from batchline_simulator.anthropic.trade import AnthropicTrade
from batchline_simulator.batch_table import StoredBatch
from batchline_simulator.content import spoiled_response
from batchline_simulator.core import BatchLife, drawn_plan
from batchline_simulator.faults import Fault, page_of

_DEFAULT_LIST, _MAX_LIST = 20, 1000
_MEDIA_TYPE = "application/x-jsonl"


class BatchRoutes:
    """Handlers of the batch calls."""

    def __init__(self, trade: AnthropicTrade, life: BatchLife) -> None:
        self._trade = trade
        self._shop = trade.shop
        self._life = life

    async def create(self, request: Request) -> Response:
        """Accept a batch, unless its envelope or the queue forbids it."""
        version = request.headers["anthropic-version"]
        batch_id = objects.new_id("msgbatch", random.SystemRandom())
        try:
            intake = await self._take_in(request, batch_id, version)
            self._check_queue(intake.requests)
        except BaseException:
            self._shop.input(batch_id).unlink(missing_ok=True)
            raise
        doc = objects.new_batch(batch_id, intake.requests)
        batch = StoredBatch(
            id=batch_id,
            provider=self._trade.provider,
            lines=intake.requests,
            status=doc["processing_status"],
            doc=doc,
            sha256=intake.sha256,
            plan=drawn_plan(request.state.faults),
            mark={"first_custom_id": intake.first_custom_id, "anthropic_version": version},
            phase="running",
            started=True,
            model=intake.model,
        )
        self._life.accept(batch, request.state.faults)
        return self._shown(request, batch)

    async def retrieve(self, request: Request) -> Response:
        """Show one batch; one that runs comes with a hint when to ask again."""
        return self._shown(request, self._batch(request))

    async def list(self, request: Request) -> Response:
        """Show batches, newest first, from a cursor on or up to one."""
        faults, query = request.state.faults, request.query_params
        limit, again = page_of(_limit(request), faults), "shifting_pages" in faults
        before, after = query.get("before_id"), query.get("after_id")
        found = self._shop.batches.page(
            self._trade.provider, limit=limit + 1, before=before, after=after, again=again
        )
        # One more than was asked for says that there are more; it lies on the side away from the cursor.
        shown = found[-limit:] if before is not None else found[:limit]
        items = [_bent(faults, _located(request, batch.doc)) for batch in shown]
        return JSONResponse(objects.page(items, has_more=len(found) > limit))

    async def results(self, request: Request) -> Response:
        """Send the results of a batch that has ended."""
        batch = self._batch(request)
        stored = self._trade.files.get(batch.id)
        if stored is None or "not_found" in request.state.faults:
            why = "are no longer available" if batch.doc["archived_at"] else "are not available yet"
            raise refused(404, f"Results of batch {batch.id} {why}.")
        path, headers = (
            self._trade.files.path(batch.id),
            {"content-disposition": f'attachment; filename="{stored.filename}"'},
        )
        spoiled = spoiled_response(path, request.state.faults, headers=headers, media_type=_MEDIA_TYPE)
        return spoiled or FileResponse(path, media_type=_MEDIA_TYPE, headers=headers)

    async def cancel(self, request: Request) -> Response:
        """Begin to cancel; a batch that is past that is shown as it is."""
        batch = self._batch(request)
        if batch.live and batch.phase != "cancelling":
            batch = self._life.cancel(batch.id)
        return self._shown(request, batch)

    async def delete(self, request: Request) -> Response:
        """Delete a batch that has ended, with its results."""
        batch = self._batch(request)
        if batch.live:
            raise refused(
                400, f"Batch {batch.id} cannot be deleted while it is {batch.status}. Cancel it first."
            )
        self._shop.batches.hide(batch.id)
        self._trade.files.delete(batch.id)
        return JSONResponse({"id": batch.id, "type": "message_batch_deleted"})

    async def _take_in(self, request: Request, batch_id: str, version: str) -> Intake:
        config, body = self._shop.config, self._shop.work / f"{batch_id}.body"

        def check(params: dict[str, Any]) -> str | None:
            return sampling_problem(params, version) if config.anthropic_sampling == "refuse_call" else None

        try:
            await spool(request, body, max_bytes=config.anthropic_max_bytes)
            return await asyncio.to_thread(
                split,
                body,
                self._shop.input(batch_id),
                max_requests=config.anthropic_max_requests,
                check=check,
            )
        except BodyTooLargeError:
            raise too_large() from None
        except BodyError as error:
            raise refused(400, str(error)) from error
        finally:
            body.unlink(missing_ok=True)

    def _check_queue(self, requests: int) -> None:
        limit = self._shop.config.anthropic_queue_limit
        queued = sum(batch.lines for batch in self._shop.batches.live(self._trade.provider))
        if limit is not None and queued + requests > limit:
            # The body of this refusal was never recorded.
            raise refused(
                429,
                f"This request would exceed the limit of {limit:,} batch requests in the processing queue.",
            )

    def _batch(self, request: Request) -> StoredBatch:
        batch_id = request.path_params["batch_id"]
        batch = self._shop.batches.visible(self._trade.provider, batch_id)
        if batch is None:
            raise refused(404, f"Message batch {batch_id} not found.")
        return batch

    def _shown(self, request: Request, batch: StoredBatch) -> Response:
        hint_s = self._shop.config.anthropic_poll_hint_s
        hinted = request.method == "GET" and batch.live and hint_s is not None
        headers = {"retry-after": str(hint_s)} if hinted else None
        return JSONResponse(_bent(request.state.faults, _located(request, batch.doc)), headers=headers)


def _located(request: Request, doc: dict[str, Any]) -> dict[str, Any]:
    """Name ourselves in the address of the results, as the client names us."""
    path = doc["results_url"]
    return doc if path is None else {**doc, "results_url": f"{str(request.base_url).rstrip('/')}{path}"}


def _bent(faults: Mapping[str, Fault], doc: dict[str, Any]) -> dict[str, Any]:
    """Apply the faults of one reply."""
    if (fault := faults.get("unknown_status")) is not None:
        doc = {**doc, "processing_status": fault.value or "archiving"}
    if "missing_counts" in faults:
        doc = {key: value for key, value in doc.items() if key != "request_counts"}
    return doc


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(_DEFAULT_LIST))
    if not text.isdecimal():
        raise refused(400, "limit: Input should be a valid integer, unable to parse string as an integer")
    if not 1 <= int(text) <= _MAX_LIST:
        bound = f"greater than or equal to {1}" if int(text) < 1 else f"less than or equal to {_MAX_LIST}"
        raise refused(400, f"limit: Input should be {bound}")
    return int(text)
