"""`/v1/batches`."""

import time
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from batchline_simulator.batch_table import StoredBatch
from batchline_simulator.core import BatchLife, drawn_plan
from batchline_simulator.faults import Fault, page_of
from batchline_simulator.openai import objects
from batchline_simulator.openai.errors import refused
from batchline_simulator.openai.file_routes import limit_of
from batchline_simulator.openai.trade import OpenAiTrade

ENDPOINTS = (
    "/v1/responses",
    "/v1/chat/completions",
    "/v1/embeddings",
    "/v1/completions",
    "/v1/moderations",
    "/v1/images/generations",
    "/v1/images/edits",
    "/v1/videos",
)
"""Endpoints that the provider accepts. Of some the simulator has no answers."""

_DEFAULT_LIST, _MAX_LIST = 20, 100
_MAX_PAIRS, _MAX_KEY, _MAX_VALUE = 16, 64, 512


class BatchRoutes:
    """Handlers of the batch calls."""

    def __init__(self, trade: OpenAiTrade, life: BatchLife) -> None:
        self._trade = trade
        self._batches = trade.shop.batches
        self._life = life
        self._quirks = trade.quirks

    async def create(self, request: Request) -> Response:
        """Accept a batch. An unknown input file is accepted too, and fails the batch later."""
        known = tuple(dict.fromkeys((*ENDPOINTS, *self._trade.endpoints)))
        wanted = _wanted(await request.body(), known)
        self._check_hourly_limit()
        if wanted["endpoint"] not in self._trade.endpoints:
            raise refused(
                400, f"The simulator has no answers for {wanted['endpoint']!r} yet.", param="endpoint"
            )
        plan = drawn_plan(request.state.faults)
        if (life := wanted.get("output_expires_after")) is not None:
            plan["output_life_s"] = life["seconds"]
        stored = self._trade.files.get(wanted["input_file_id"])
        doc = objects.new_batch(
            self._quirks.id(objects.new_batch_id()),
            endpoint=wanted["endpoint"],
            input_file_id=wanted["input_file_id"],
            metadata=wanted.get("metadata"),
            now=int(time.time()),
        )
        batch = StoredBatch(
            id=doc["id"],
            provider=self._trade.provider,
            lines=stored.lines if stored else 0,
            status=doc["status"],
            doc=doc,
            input_file_id=wanted["input_file_id"],
            sha256=stored.sha256 if stored else None,
            plan=plan,
            mark={"metadata": doc["metadata"]},
        )
        self._life.accept(batch, request.state.faults)
        return self._shown(request, doc)

    async def retrieve(self, request: Request) -> Response:
        """Show one batch."""
        return self._shown(request, self._batch(request).doc)

    async def list(self, request: Request) -> Response:
        """Show batches, newest first."""
        faults, after = request.state.faults, request.query_params.get("after")
        limit = page_of(limit_of(request, default=_DEFAULT_LIST, highest=_MAX_LIST), faults)
        found = self._batches.page(
            self._trade.provider, limit=limit + 1, after=after, again="shifting_pages" in faults
        )
        shown = [_bent(faults, self._quirks.batch(batch.doc)) for batch in found]
        return JSONResponse(self._quirks.page(objects.page(shown, limit)))

    async def cancel(self, request: Request) -> Response:
        """Begin to cancel; a batch that is cancelled already is shown as it is."""
        batch = self._batch(request)
        if batch.status in ("completed", "failed", "expired"):
            raise refused(409, f"Cannot cancel a batch with status '{batch.status}'.")
        if batch.status not in ("cancelling", "cancelled"):
            batch = self._life.cancel(batch.id)
        return self._shown(request, batch.doc)

    def _shown(self, request: Request, doc: dict[str, Any]) -> JSONResponse:
        return JSONResponse(_bent(request.state.faults, self._quirks.batch(doc)))

    def _batch(self, request: Request) -> StoredBatch:
        batch_id = request.path_params["batch_id"]
        batch = self._batches.visible(self._trade.provider, batch_id)
        if batch is None:
            raise refused(404, f"No batch found with id '{batch_id}'.")
        return batch

    def _check_hourly_limit(self) -> None:
        limit = self._trade.shop.config.max_batches_per_hour
        if limit is None or self._batches.created_since(self._trade.provider, time.time() - 3600) < limit:
            return
        # Undocumented at the provider; assumed to look like its other rate limits.
        raise refused(
            429, f"Rate limit reached for batch creation: {limit} per hour.", code="rate_limit_exceeded"
        )


def _bent(faults: Mapping[str, Fault], doc: dict[str, Any]) -> dict[str, Any]:
    """Apply the faults of one reply."""
    if (fault := faults.get("unknown_status")) is not None:
        doc = {**doc, "status": fault.value or "archiving"}
    if "missing_counts" in faults:
        doc = {key: value for key, value in doc.items() if key != "request_counts"}
    return doc


def _wanted(body: bytes, endpoints: tuple[str, ...]) -> dict[str, Any]:
    """Read the parameters of a create call, or refuse it."""
    try:
        wanted = orjson.loads(body)
    except orjson.JSONDecodeError:
        wanted = None
    if not isinstance(wanted, dict):
        raise refused(400, "We could not parse the JSON body of your request.")
    for name in ("input_file_id", "endpoint", "completion_window"):
        if not isinstance(wanted.get(name), str):
            message = f"Missing required parameter: '{name}'."
            raise refused(400, message, param=name, code="missing_required_parameter")
    _check_value(wanted, "endpoint", endpoints)
    _check_value(wanted, "completion_window", ("24h",))
    _check_metadata(wanted.get("metadata"))
    return wanted


def _check_value(wanted: dict[str, Any], name: str, known: tuple[str, ...]) -> None:
    if wanted[name] not in known:
        values = ", ".join(f"'{value}'" for value in known)
        message = f"Invalid value: '{wanted[name]}'. Supported values are: {values}."
        raise refused(400, message, param=name, code="invalid_value")


def _check_metadata(metadata: Any) -> None:
    if metadata is None:
        return
    if not isinstance(metadata, dict):
        raise refused(
            400, "Invalid type for 'metadata': expected an object.", param="metadata", code="invalid_type"
        )
    if len(metadata) > _MAX_PAIRS:
        message = f"Invalid 'metadata': expected at most {_MAX_PAIRS} pairs, but got {len(metadata)}."
        raise refused(400, message, param="metadata", code="object_above_max_properties")
    for key, value in metadata.items():
        param = f"metadata.{key}"
        if not isinstance(value, str):
            message = f"Invalid type for '{param}': expected a string, but got {_kind(value)} instead."
            raise refused(400, message, param=param, code="invalid_type")
        if len(key) > _MAX_KEY or len(value) > _MAX_VALUE:
            message = (
                f"Invalid '{param}': string too long. Keys take {_MAX_KEY} characters, values {_MAX_VALUE}."
            )
            raise refused(400, message, param=param, code="string_above_max_length")


def _kind(value: Any) -> str:
    names = {list: "an array", dict: "an object", bool: "a boolean", int: "an integer", float: "a decimal"}
    return names.get(type(value), "null")
