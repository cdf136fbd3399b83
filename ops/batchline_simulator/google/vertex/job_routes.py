"""`/{version}/projects/{project}/locations/{location}/batchPredictionJobs`."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from batchline_simulator.batch_table import StoredBatch
from batchline_simulator.core import BatchLife, drawn_plan
from batchline_simulator.faults import Fault, page_of
from batchline_simulator.google.moments import now_us
from batchline_simulator.google.rpc_errors import refused
from batchline_simulator.google.vertex import jobs
from batchline_simulator.google.vertex.create import wanted_job
from batchline_simulator.google.vertex.inputs import address, named_blobs
from batchline_simulator.google.vertex.job_filter import FilterError, job_filter
from batchline_simulator.google.vertex.trade import VertexTrade
from batchline_simulator.phases import FINAL

_DEFAULT_PAGE, _MAX_PAGE = 100, 1000
_SCANNED = 200


class JobRoutes:
    """Handlers of the job calls."""

    def __init__(self, trade: VertexTrade, life: BatchLife) -> None:
        self._trade = trade
        self._life = life
        self._blobs = trade.storage.blobs

    async def create(self, request: Request) -> Response:
        """Accept a job; two equal calls make two jobs."""
        wanted = await wanted_job(request, self._trade.shop.config)
        job_id, uris = jobs.new_job_id(), wanted["inputConfig"]["gcsSource"]["uris"]
        blobs = [blob for found in map(address, uris) if found for blob in named_blobs(self._blobs, found)]
        doc = jobs.new_job(job_id, _parent(request), wanted, now_us=now_us())
        batch = StoredBatch(
            id=job_id,
            provider=self._trade.provider,
            lines=sum(blob.lines for blob in blobs),
            status=doc["state"],
            doc={**doc, "_inputs": [[blob.container, blob.name, blob.generation] for blob in blobs]},
            input_file_id=uris[0],
            sha256=blobs[0].sha256 if len(blobs) == 1 else None,
            plan=drawn_plan(request.state.faults),
            mark={"display_name": wanted["displayName"], "labels": wanted.get("labels")},
        )
        self._life.accept(batch, request.state.faults)
        return _reply(request, doc)

    async def retrieve(self, request: Request) -> Response:
        """Show one job."""
        return _reply(request, self._job(request).doc)

    async def list(self, request: Request) -> Response:
        """Show the jobs of a project and location, newest first, that pass the filter."""
        query = request.query_params
        try:
            passes = job_filter(query.get("filter", ""))
        except FilterError as error:
            raise refused(400, f"Invalid filter: {error}") from error
        faults = request.state.faults
        limit, again = page_of(_page_size(query.get("pageSize")), faults), "shifting_pages" in faults
        found: list[StoredBatch] = []
        after, more = query.get("pageToken") or None, True
        while more and len(found) <= limit:
            page = self._trade.shop.batches.page(
                self._trade.provider, limit=_SCANNED, after=after, again=again
            )
            after, more, again = page[-1].id if page else after, len(page) == _SCANNED, False
            parent = _parent(request) + "/"
            found += [job for job in page if job.doc["name"].startswith(parent) and passes(job.doc)]
        reply: dict[str, Any] = {}
        if found:
            reply["batchPredictionJobs"] = [_bent(faults, jobs.shown(job.doc)) for job in found[:limit]]
        if len(found) > limit:
            reply["nextPageToken"] = found[limit - 1].id
        return JSONResponse(reply)

    async def cancel(self, request: Request) -> Response:
        """Begin to cancel; a job that has ended cannot be."""
        job = self._job(request)
        if job.phase in FINAL:
            # Google's text for it has not been recorded; its status has.
            message = f"The job is in state {job.doc['state']} and cannot be cancelled."
            raise refused(400, message, status="FAILED_PRECONDITION")
        if job.phase != "cancelling":
            self._life.cancel(job.id)
        return JSONResponse({})

    async def delete(self, request: Request) -> Response:
        """Remove a job that has ended; its objects stay."""
        job = self._job(request)
        if job.phase not in FINAL:
            message = f"The job is in state {job.doc['state']} and cannot be deleted."
            raise refused(400, message, status="FAILED_PRECONDITION")
        self._trade.shop.batches.hide(job.id)
        return JSONResponse(jobs.deleted(job.doc, now_us=now_us()))

    def _job(self, request: Request) -> StoredBatch:
        job_id = request.path_params["job_id"]
        job = self._trade.shop.batches.visible(self._trade.provider, job_id)
        name = f"{_parent(request)}/batchPredictionJobs/{job_id}"
        if job is None or job.doc["name"] != name:
            raise refused(404, f"The BatchPredictionJob {name} does not exist.")
        return job


def _parent(request: Request) -> str:
    return jobs.parent_of(request.path_params["project"], request.path_params["location"])


def _page_size(text: str | None) -> int:
    if text is None:
        return _DEFAULT_PAGE
    if not text.isdecimal():
        raise refused(400, f"Invalid value at 'page_size' (TYPE_INT32), \"{text}\"")
    return min(int(text) or _DEFAULT_PAGE, _MAX_PAGE)


def _reply(request: Request, doc: jobs.Job) -> Response:
    return JSONResponse(_bent(request.state.faults, jobs.shown(doc)))


def _bent(faults: Mapping[str, Fault], doc: jobs.Job) -> jobs.Job:
    """Apply the faults of one reply."""
    if (fault := faults.get("unknown_status")) is not None:
        doc = {**doc, "state": fault.value or "JOB_STATE_UPDATING"}
    if "missing_counts" in faults:
        doc = {key: value for key, value in doc.items() if key != "completionStats"}
    return doc
