"""Batches as the Gemini API shows them: operations, whose metadata is the batch.

The SDK reads `metadata` only: it drops the operation's error and the counts.
"""

import time
from collections.abc import Mapping
from typing import Any

from batchline_simulator.google.moments import moment_ns
from batchline_simulator.phases import FINAL, Phase

Operation = dict[str, Any]

WORDS: Mapping[Phase, str] = {
    "checking": "BATCH_STATE_PENDING",
    "running": "BATCH_STATE_RUNNING",
    "finishing": "BATCH_STATE_RUNNING",
    # There is no state between a call to cancel and its effect.
    "cancelling": "BATCH_STATE_RUNNING",
    "failed": "BATCH_STATE_FAILED",
    "completed": "BATCH_STATE_SUCCEEDED",
    "expired": "BATCH_STATE_EXPIRED",
    "cancelled": "BATCH_STATE_CANCELLED",
}

_TYPES = "type.googleapis.com/google.ai.generativelanguage.v1main"
BATCH_TYPE, OUTPUT_TYPE = f"{_TYPES}.GenerateContentBatch", f"{_TYPES}.GenerateContentBatchOutput"


def new_operation(
    batch_id: str, *, model: str, display_name: str, input_config: dict[str, Any], lines: int
) -> Operation:
    """Show a batch that has just been accepted."""
    name, now = f"batches/{batch_id}", moment_ns(time.time_ns())
    metadata = {
        "@type": BATCH_TYPE,
        "model": f"models/{model}",
        "displayName": display_name,
        "inputConfig": input_config,
        "createTime": now,
        "updateTime": now,
        "batchStats": stats(lines, 0, 0),
        "state": WORDS["checking"],
        "name": name,
    }
    return {"name": name, "metadata": metadata}


def moved(operation: Operation, phase: Phase) -> Operation:
    """Return what changes when a batch enters a phase."""
    now = moment_ns(time.time_ns())
    metadata = {**operation["metadata"], "updateTime": now, "state": WORDS[phase]}
    if phase not in FINAL:
        return {"metadata": metadata}
    return {"metadata": {**metadata, "endTime": now}, "done": True}


def stats(lines: int, succeeded: int, failed: int) -> dict[str, str]:
    """Show how many requests are done; zeros are left out, and numbers are strings."""
    counts = {
        "requestCount": lines,
        "pendingRequestCount": lines - succeeded - failed,
        "successfulRequestCount": succeeded,
        "failedRequestCount": failed,
    }
    return {name: str(count) for name, count in counts.items() if count}


def failure(code: int, message: str, details: list[dict[str, Any]] | None = None) -> Operation:
    """Return the error of an operation."""
    error: dict[str, Any] = {"code": code, "message": message}
    if details is not None:
        error["details"] = details
    return {"error": error}


def without_inline(operation: Operation) -> Operation:
    """Show an operation as lists do: without the responses themselves."""
    metadata = {**operation["metadata"]}
    if "inlinedResponses" not in metadata.get("output", {}):
        return operation
    del metadata["output"]
    return {key: value for key, value in operation.items() if key != "response"} | {"metadata": metadata}
