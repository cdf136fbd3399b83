"""Vertex's say over the life of its jobs.

Most mistakes show only here, long after the call that made them was answered
with 200: a bucket that does not exist, rows that cannot be loaded, an output
that cannot be written though every row has been paid for.
"""

import hashlib
import random
from pathlib import Path
from typing import Any

from batchline_simulator.batch_table import StoredBatch
from batchline_simulator.core import Fields, Run, Workshop
from batchline_simulator.google.generate_request import prompt_tokens
from batchline_simulator.google.moments import moment, now_us
from batchline_simulator.google.rpc_errors import (
    CANCELLED,
    FAILED_PRECONDITION,
    INTERNAL,
    INVALID_ARGUMENT,
    PERMISSION_DENIED,
    quota_details,
)
from batchline_simulator.google.storage.access import Storage
from batchline_simulator.google.vertex.desk import VertexDesk
from batchline_simulator.google.vertex.importer import (
    MAX_FILE_BYTES,
    Importer,
    ImportRefusedError,
    refusal,
)
from batchline_simulator.google.vertex.inputs import Address, address, gather
from batchline_simulator.google.vertex.jobs import WORDS, stats
from batchline_simulator.google.vertex.output import PREDICTIONS, OutputNames, write_predictions
from batchline_simulator.phases import FINAL, Pace, Phase

_SYSTEM_ERROR = "System error. Please try this operation again."
_LOST_DATASET = "Dataset {}:tenant_dataset was not found in location US."
PARTLY = "JOB_STATE_PARTIALLY_SUCCEEDED"


class VertexTrade:
    """Implements `Trade`."""

    provider = "vertex"
    words = WORDS
    stuck_in: Phase = "checking"
    pace = Pace(checking_s=1.0, running_s=6.0, finishing_s=0.0, cancelling_s=1.0)
    """A recorded job of a few rows waited for 90 s and ran for 131 s; here all providers' pass alike."""

    def __init__(self, shop: Workshop, storage: Storage) -> None:
        self.shop = shop
        self.storage = storage

    def check(self, batch: StoredBatch) -> Fields | None:
        """Look for the buckets, then load every row."""
        if (lost := self._lost_bucket(batch)) is not None:
            return _failure(batch, FAILED_PRECONDITION, lost)
        if (elsewhere := self._elsewhere(batch)) is not None:
            return _failure(batch, INVALID_ARGUMENT, elsewhere)
        if "cannot_find_file" in batch.plan:
            return _failure(batch, INVALID_ARGUMENT, _LOST_DATASET.format(batch.doc["name"].split("/")[1]))
        try:
            self._load(batch)
        except ImportRefusedError as refused:
            return _failure(batch, INVALID_ARGUMENT, str(refused))
        return None

    def start(self, batch: StoredBatch) -> None:
        """Do nothing: loading the rows has put them in place."""
        del batch

    def desk(self, batch: StoredBatch) -> VertexDesk:
        """Make the desk for the job's model and rows."""
        return VertexDesk(
            seed=batch.id,
            model=batch.doc["model"].rpartition("/")[2],
            shape=batch.doc["_shape"],
            coerce_numbers=self.shop.config.coerce_numeric_strings,
        )

    def entered(self, batch: StoredBatch, phase: Phase) -> Fields:
        """Set the state and its moment."""
        now = moment(now_us())
        fields: Fields = {"state": WORDS[phase], "updateTime": now}
        if phase == "running":
            fields["startTime"] = now
        if phase in FINAL:
            fields["endTime"] = now
        if phase == "cancelled":
            fields |= {**_failure(batch, CANCELLED, "CANCELED"), "completionStats": None}
        return fields

    def progress(self, batch: StoredBatch, run: Run) -> Fields:
        """Count nothing while the job runs: -1 stands for a number that is not known."""
        del batch, run
        return {"updateTime": moment(now_us()), "completionStats": {"incompleteCount": "-1"}}

    def publish(self, batch: StoredBatch, run: Run, end: Phase) -> tuple[Phase, Fields]:
        """Write the predictions into the output directory, as far as they got."""
        if "system_error" in batch.plan:
            return "failed", _failure(batch, INTERNAL, _SYSTEM_ERROR)
        if not run.done:
            return end, {}
        directory = output_directory(batch)
        counts = stats(run.completed, run.failed, batch.lines - run.done)
        fields: Fields = {"outputInfo": {"gcsOutputDirectory": str(directory)}, "completionStats": counts}
        if not self.storage.buckets.writable_by_jobs(directory.bucket):
            denied = _no_permission(batch, directory)
            return "failed", {**fields, **denied, "completionStats": {"successfulCount": str(run.completed)}}
        # The names follow from the job: a run that a kill cut short here writes the same objects again.
        seed = hashlib.sha256(batch.id.encode()).digest()
        config = self.shop.config
        write_predictions(
            run.pile("output"),
            directory,
            self.storage.blobs,
            names=OutputNames(config.prediction_shards, config.prediction_shard_name),
            rng=random.Random(seed),  # noqa: S311 - the order of a simulation
        )
        if end == "cancelled":
            # The rows are there, and billed; only their counts are not shown.
            del fields["completionStats"]
        if end == "expired" and batch.plan.get("expire", {}).get("value") == PARTLY:
            return "completed", {**fields, "state": PARTLY}
        return end, fields

    def _lost_bucket(self, batch: StoredBatch) -> str | None:
        for name in _buckets(batch):
            if self.storage.buckets.get(name) is None or self.storage.buckets.denied(name):
                return (
                    f"Failed to get GCS bucket location for {name}. Please check that the bucket exists and"
                    " permissions are set correctly."
                )
        return None

    def _elsewhere(self, batch: StoredBatch) -> str | None:
        """Compare regions; `global` reads and writes everywhere. The wording is that of other jobs."""
        location = batch.doc["name"].split("/")[3]
        for name in _buckets(batch):
            bucket = self.storage.buckets.get(name)
            if bucket is not None and location not in ("global", bucket.location.lower()):
                return (
                    f"The Cloud Storage bucket of gs://{name} is in location {bucket.location.lower()}."
                    f" It must be in the same regional location as the service location {location}."
                )
        return None

    def _load(self, batch: StoredBatch) -> None:
        """Gather the rows, hold them against each other, and remember what the run needs."""
        target = self.shop.input(batch.id)
        try:
            gather(self._paths(batch), target)
        except FileNotFoundError:
            uri = batch.doc["inputConfig"]["gcsSource"]["uris"][0]
            raise refusal(f"Not found: URI {uri}") from None
        importer, tokens = Importer(), 0
        with target.open("rb") as source:
            for line in source:
                tokens += prompt_tokens(importer.add(line))
        if not importer.rows:
            raise refusal("The input has no rows.")
        self.shop.batches.set_lines(batch.id, importer.rows)
        self.shop.batches.enqueue(batch.id, batch.doc["model"].rpartition("/")[2], tokens, None)
        self.shop.batches.change(batch.id, {"_shape": importer.shape})

    def _paths(self, batch: StoredBatch) -> list[Path]:
        """Return the files of the objects that the job was created with."""
        paths: list[Path] = []
        for bucket, name, generation in batch.doc["_inputs"]:
            blob = self.storage.blobs.get(bucket, name)
            if blob is None or blob.generation != generation:
                raise FileNotFoundError(name)
            if blob.bytes > MAX_FILE_BYTES:
                raise refusal(f"The file gs://{bucket}/{name} is larger than {MAX_FILE_BYTES} bytes.")
            paths.append(self.storage.blobs.path(blob))
        if not paths:
            raise FileNotFoundError(batch.id)
        return paths


def output_directory(batch: StoredBatch) -> Address:
    """Return where a job writes: below the prefix, in a folder named after its creation."""
    prefix = address(batch.doc["outputConfig"]["gcsDestination"]["outputUriPrefix"])
    if prefix is None:
        raise LookupError(batch.id)
    folder = f"prediction-model-{batch.doc['createTime']}"
    return Address(prefix.bucket, f"{prefix.name.rstrip('/')}/{folder}".lstrip("/"))


def _buckets(batch: StoredBatch) -> list[str]:
    uris = [*batch.doc["inputConfig"]["gcsSource"]["uris"], str(output_directory(batch))]
    return [found.bucket for uri in uris if (found := address(uri)) is not None]


def _failure(batch: StoredBatch, code: int, message: str) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message}
    if "error_details" in batch.plan:
        error["details"] = quota_details()
    return {"error": error}


def _no_permission(batch: StoredBatch, directory: Address) -> dict[str, Any]:
    number = batch.doc["name"].split("/")[1]
    return _failure(
        batch,
        PERMISSION_DENIED,
        f"Service account service-{number}@gcp-sa-aiplatform.iam.gserviceaccount.com doesn't have sufficient"
        f' permission "storage.objects.create" to write {directory}/{PREDICTIONS}.',
    )
