"""Batch prediction jobs as Vertex AI shows them, and their names.

A name bears the number of the project, though the client that created the job
wrote the project's id, and goes on calling with it.
"""

import hashlib
import random
from collections.abc import Mapping
from typing import Any

from batchline_simulator.google.moments import moment
from batchline_simulator.phases import Phase

Job = dict[str, Any]

WORDS: Mapping[Phase, str] = {
    "checking": "JOB_STATE_PENDING",
    "running": "JOB_STATE_RUNNING",
    "finishing": "JOB_STATE_RUNNING",
    "cancelling": "JOB_STATE_CANCELLING",
    "failed": "JOB_STATE_FAILED",
    "completed": "JOB_STATE_SUCCEEDED",
    "expired": "JOB_STATE_EXPIRED",
    "cancelled": "JOB_STATE_CANCELLED",
}

_HIDDEN = "_"
"""What a key starts with that only the simulator reads."""


def project_number(project: str) -> str:
    """Return the number of a project; the same for its id and for its number."""
    if project.isdecimal():
        return project
    digest = hashlib.blake2b(project.encode(), digest_size=8).digest()
    return str(10**11 + int.from_bytes(digest, "big") % (9 * 10**11))


def parent_of(project: str, location: str) -> str:
    """Return what the names of the jobs of a project and location start with."""
    return f"projects/{project_number(project)}/locations/{location}"


def new_job_id() -> str:
    """Make an id: 19 digits."""
    return str(random.SystemRandom().randrange(10**18, 9 * 10**18))


def new_job(job_id: str, parent: str, wanted: Job, *, now_us: int) -> Job:
    """Show a job that has just been accepted."""
    created = moment(now_us)
    return {
        "name": f"{parent}/batchPredictionJobs/{job_id}",
        "displayName": wanted["displayName"],
        "model": wanted["model"],
        "inputConfig": wanted["inputConfig"],
        "outputConfig": wanted["outputConfig"],
        "state": WORDS["checking"],
        "createTime": created,
        "updateTime": created,
        "modelVersionId": "1",
        **({"labels": wanted["labels"]} if wanted.get("labels") else {}),
    }


def shown(doc: Job) -> Job:
    """Return what callers may see of a job; there are no nulls in it."""
    return {key: value for key, value in doc.items() if not key.startswith(_HIDDEN) and value is not None}


def stats(succeeded: int, failed: int, incomplete: int) -> dict[str, str]:
    """Show how the requests ended; zeros are left out, and numbers are strings."""
    counts = {"successfulCount": succeeded, "failedCount": failed, "incompleteCount": incomplete}
    return {name: str(count) for name, count in counts.items() if count}


def deleted(job: Job, *, now_us: int) -> dict[str, Any]:
    """Show the operation that deleted a job; it is done at once."""
    now = moment(now_us)
    return {
        "name": job["name"].replace("/batchPredictionJobs/", "/operations/"),
        "metadata": {
            "@type": "type.googleapis.com/google.cloud.aiplatform.v1.DeleteOperationMetadata",
            "genericMetadata": {"createTime": now, "updateTime": now},
        },
        "done": True,
        "response": {"@type": "type.googleapis.com/google.protobuf.Empty"},
    }
