"""What the simulator tells about itself, under `/_sim`.

For tests and checkers only; no call here is logged, needs a key or can fail by
a fault. `/_sim/batches` is the truth about what was accepted and so billed.
"""

import json
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from batchline_simulator.batch_table import BatchTable, StoredBatch
from batchline_simulator.faults import FAULT_LIST, FaultBoard
from batchline_simulator.request_log import RequestLog

_LOG_PAGE = 10_000


class Admin:
    """Handlers of the administration calls."""

    def __init__(self, batches: BatchTable, board: FaultBoard, log: RequestLog) -> None:
        self._batches = batches
        self._board = board
        self._log = log

    def routes(self) -> list[Route]:
        """Make the routes."""
        return [
            Route("/healthz", self._health, methods=["GET"]),
            Route("/_sim/log", self._read_log, methods=["GET"]),
            Route("/_sim/batches", self._read_batches, methods=["GET"]),
            Route("/_sim/stats", self._stats, methods=["GET"]),
            Route("/_sim/faults", self._arm, methods=["POST"]),
            Route("/_sim/faults", self._read_faults, methods=["GET"]),
            Route("/_sim/faults", self._clear, methods=["DELETE"]),
        ]

    async def _health(self, request: Request) -> Response:
        del request
        return JSONResponse({"status": "ok"})

    async def _read_log(self, request: Request) -> Response:
        """Send up to `limit` entries above the number `after`, one JSON object a line."""
        query = request.query_params
        limit = min(int(query.get("limit", _LOG_PAGE)), _LOG_PAGE)
        entries = self._log.page(after=int(query.get("after", 0)), limit=limit)
        return Response(
            "".join(f"{json.dumps(entry)}\n" for entry in entries), media_type="application/jsonl"
        )

    async def _read_batches(self, request: Request) -> Response:
        del request
        return JSONResponse({"data": [_shown(batch) for batch in self._batches.all()]})

    async def _stats(self, request: Request) -> Response:
        del request
        statuses: dict[str, int] = {}
        tokens: dict[str, int] = {}
        for batch in self._batches.all():
            statuses[batch.status] = statuses.get(batch.status, 0) + 1
            if batch.live and batch.model is not None:
                tokens[batch.model] = tokens.get(batch.model, 0) + batch.tokens
        return JSONResponse({"calls": self._log.counts(), "batches": statuses, "enqueued_tokens": tokens})

    async def _arm(self, request: Request) -> Response:
        """Add faults to the armed ones; one wrong fault refuses all of them."""
        try:
            faults = FAULT_LIST.validate_json(await request.body())
        except ValidationError as error:
            return JSONResponse({"error": str(error)}, 400)
        self._board.arm(faults)
        return await self._read_faults(request)

    async def _read_faults(self, request: Request) -> Response:
        del request
        return JSONResponse({"data": self._board.listed()})

    async def _clear(self, request: Request) -> Response:
        self._board.clear()
        return await self._read_faults(request)


def _shown(batch: StoredBatch) -> dict[str, Any]:
    return {
        "id": batch.id,
        "provider": batch.provider,
        "status": batch.status,
        "phase": batch.phase,
        **{name: batch.mark.get(name) for name in ("metadata", "display_name", "labels", "first_custom_id")},
        "input_file_id": batch.input_file_id,
        "results": _results_of(batch),
        "line_count": batch.lines,
        "done_count": batch.done,
        "input_sha256": batch.sha256,
        "created_s": batch.created_s,
        "model": batch.model,
        "prompt_tokens": batch.tokens,
        "request_counts": batch.doc.get("request_counts"),
        "usage": batch.doc.get("usage"),
        "deleted": batch.deleted,
        "faults": sorted(batch.plan),
    }


def _results_of(batch: StoredBatch) -> list[str]:
    """Name what the path of a call that reads the batch's results has in it, whoever its provider is."""
    doc = batch.doc
    output, info = doc.get("response") or {}, doc.get("outputInfo") or {}
    folder = str(info.get("gcsOutputDirectory") or "").removeprefix("gs://").partition("/")[2]
    places = (
        doc.get("output_file_id"),
        doc.get("error_file_id"),
        doc.get("results_url"),
        output.get("responsesFile"),
        folder,
    )
    return [str(place) for place in places if place]
