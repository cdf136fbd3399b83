"""`/{version}/models/{model}:batchGenerateContent` and `/{version}/batches`."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from batchline_simulator.batch_table import StoredBatch
from batchline_simulator.connection import drain
from batchline_simulator.core import BatchLife, drawn_plan
from batchline_simulator.faults import Fault, page_of
from batchline_simulator.gateway import Refused
from batchline_simulator.google.gemini.files import CONTAINER, new_id, no_file
from batchline_simulator.google.gemini.operations import Operation, new_operation, without_inline
from batchline_simulator.google.gemini.paging import page_size
from batchline_simulator.google.gemini.rows import MAX_INLINE_BYTES, checked_tokens, inline_rows
from batchline_simulator.google.gemini.trade import GeminiTrade
from batchline_simulator.google.generate_request import either
from batchline_simulator.google.rpc_errors import error_response, quota_details, refused
from batchline_simulator.phases import FINAL

QUOTA_MESSAGE = (
    "You exceeded your current quota, please check your plan and billing details. For more information on"
    " this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. To monitor your current usage,"
    " head to: https://ai.dev/rate-limit. "
)
_DEFAULT_PAGE, _MAX_PAGE = 50, 1000


class BatchRoutes:
    """Handlers of the batch calls."""

    def __init__(self, trade: GeminiTrade, life: BatchLife) -> None:
        self._trade = trade
        self._life = life

    async def create(self, request: Request) -> Response:
        """Accept a batch whose rows are all well formed; two equal calls make two batches."""
        model, wanted = request.path_params["model"], await _wanted(request)
        self._check_model(model)
        batch_id, source = new_id(36), either(wanted, "inputConfig")
        file_name, inlined = either(source, "fileName"), either(source, "requests")
        target = self._trade.shop.input(batch_id)
        if file_name is not None:
            lines, sha256 = self._link(str(file_name), target, request.state.faults)
            shown_input: dict[str, Any] = {"fileName": file_name}
        else:
            lines, sha256 = _write(either(inlined, "requests"), target), None
            shown_input = {"requests": {}}
        tokens = await self._checked(model, target)
        display_name = str(either(wanted, "displayName") or "")
        doc = new_operation(
            batch_id, model=model, display_name=display_name, input_config=shown_input, lines=lines
        )
        batch = StoredBatch(
            id=batch_id,
            provider=self._trade.provider,
            lines=lines,
            status=doc["metadata"]["state"],
            doc=doc,
            input_file_id=file_name,
            sha256=sha256,
            plan=drawn_plan(request.state.faults),
            mark={"display_name": display_name},
            model=model,
            tokens=tokens,
        )
        self._life.accept(batch, request.state.faults)
        return JSONResponse(_bent(request.state.faults, doc))

    async def retrieve(self, request: Request) -> Response:
        """Show one batch."""
        return JSONResponse(_bent(request.state.faults, self._batch(request).doc))

    async def list(self, request: Request) -> Response:
        """Show batches, newest first."""
        faults = request.state.faults
        limit = page_of(page_size(request, default=_DEFAULT_PAGE, highest=_MAX_PAGE), faults)
        after = request.query_params.get("pageToken") or None
        found = self._trade.shop.batches.page(
            self._trade.provider, limit=limit + 1, after=after, again="shifting_pages" in faults
        )
        reply: dict[str, Any] = {}
        if found:
            reply["operations"] = [without_inline(_bent(faults, batch.doc)) for batch in found[:limit]]
        if len(found) > limit:
            reply["nextPageToken"] = found[limit - 1].id
        return JSONResponse(reply)

    async def cancel(self, request: Request) -> Response:
        """Begin to cancel; of a batch that has ended that changes nothing."""
        batch = self._batch(request)
        if batch.phase not in FINAL and batch.phase != "cancelling":
            self._life.cancel(batch.id)
        return JSONResponse({})

    async def delete(self, request: Request) -> Response:
        """Remove a batch and its result file."""
        batch = self._batch(request)
        self._trade.shop.batches.hide(batch.id)
        if (output := self._trade.blobs.get(CONTAINER, f"files/batch-{batch.id}")) is not None:
            self._trade.blobs.delete(output)
        return JSONResponse({})

    def _batch(self, request: Request) -> StoredBatch:
        batch = self._trade.shop.batches.visible(self._trade.provider, request.path_params["batch_id"])
        if batch is None:
            raise refused(404, "Requested entity was not found.")
        return batch

    def _check_model(self, model: str) -> None:
        config = self._trade.shop.config
        if model in config.retired_models:
            raise refused(
                404,
                f"This model models/{model} is no longer available to new users. Please update your code to"
                f" use models/{config.retired_models[model]}",
            )
        if model in config.unsupported_models:
            raise refused(404, f"models/{model} is not found, or is not supported for batchGenerateContent.")

    def _link(self, file_name: str, target: Path, faults: Mapping[str, Fault]) -> tuple[int, str]:
        """Link an input file, so that its owner may delete it; return its rows and its hash."""
        blob = self._trade.blobs.get(CONTAINER, file_name)
        if blob is None or "cannot_find_file" in faults:
            raise no_file(file_name.removeprefix("files/"))
        target.hardlink_to(self._trade.blobs.path(blob))
        return blob.lines, blob.sha256

    async def _checked(self, model: str, target: Path) -> int:
        """Check the rows, and that there is room for them; return the tokens that they send."""
        try:
            tokens = await asyncio.to_thread(checked_tokens, target)
            self._check_room(model, tokens)
        except Refused:
            await asyncio.to_thread(target.unlink)
            raise
        return tokens

    def _check_room(self, model: str, tokens: int) -> None:
        live = self._trade.shop.batches.live(self._trade.provider)
        limit = self._trade.shop.config.token_limit.get(model)
        used = sum(batch.tokens for batch in live if batch.model == model)
        full = limit is not None and used + tokens > limit
        if full or len(live) >= self._trade.shop.config.gemini_max_batches:
            raise Refused(error_response(429, QUOTA_MESSAGE, details=quota_details()))


async def _wanted(request: Request) -> dict[str, Any]:
    if int(request.headers.get("content-length", "0")) > MAX_INLINE_BYTES:
        await drain(request)
        raise refused(400, f"Request payload size exceeds the limit: {MAX_INLINE_BYTES} bytes.")
    try:
        wanted = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        wanted = None
    batch = wanted.get("batch") if isinstance(wanted, dict) else None
    if not isinstance(batch, dict) or not isinstance(either(batch, "inputConfig"), dict):
        raise refused(400, "Invalid JSON payload received.")
    return batch


def _write(requests: Any, target: Path) -> int:
    lines = [*inline_rows(requests)]
    target.write_bytes(b"".join(lines))
    return len(lines)


def _bent(faults: Mapping[str, Fault], doc: Operation) -> Operation:
    """Apply the faults of one reply."""
    metadata = {**doc["metadata"]}
    if (fault := faults.get("unknown_status")) is not None:
        metadata["state"] = fault.value or "BATCH_STATE_ARCHIVED"
    if "missing_counts" in faults:
        metadata.pop("batchStats", None)
    return {**doc, "metadata": metadata}
