"""A Vertex AI batch prediction job, as JSON, read into ours.

Counts are texts, -1 says "unknown", and all of them are absent while the job is
pending. A job that failed or was cancelled may have results all the same.

Source: Google's batchPredictionJobs reference; oddities in `docs/providers.md`.
"""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from batchline_worker.providers.base import (
    LEDGER_MARK,
    SHARD_MARK,
    BatchPhase,
    LineError,
    RemoteBatch,
    SendAgain,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchline_worker.providers.base import Submission

__all__ = ["job_config", "job_errors", "label", "location_of", "remote_batch", "seconds"]

_PHASES: Mapping[str, BatchPhase] = MappingProxyType(
    {
        "JOB_STATE_QUEUED": BatchPhase.VALIDATING,
        "JOB_STATE_PENDING": BatchPhase.VALIDATING,
        "JOB_STATE_RUNNING": BatchPhase.RUNNING,
        "JOB_STATE_UPDATING": BatchPhase.RUNNING,
        "JOB_STATE_PAUSED": BatchPhase.RUNNING,
        "JOB_STATE_SUCCEEDED": BatchPhase.COMPLETED,
        "JOB_STATE_PARTIALLY_SUCCEEDED": BatchPhase.EXPIRED,
        "JOB_STATE_FAILED": BatchPhase.FAILED,
        "JOB_STATE_EXPIRED": BatchPhase.EXPIRED,
        "JOB_STATE_CANCELLING": BatchPhase.CANCELLING,
        "JOB_STATE_CANCELLED": BatchPhase.CANCELLED,
    }
)
"""Vertex AI cancels what is unfinished after 24 hours and keeps the rest: for us, it expired."""

_NAME: Final = re.compile(r"projects/[^/]+/locations/([a-z0-9-]+)/batchPredictionJobs/\d+")
"""The location becomes a part of a host's name, so it may hold nothing else."""

_INTERNAL, _INVALID = 13, 3
"""Codes of google.rpc.Code."""

_MISPLACED: Final = re.compile(r"tenant_dataset", re.IGNORECASE)
"""A table of Google's own that it did not find: its failure, though it says "invalid argument"."""

_UNFOUND: Final = re.compile(r"(?:no such object|not find|not found|does not exist).*\.jsonl", re.IGNORECASE)

_NOT_LABEL: Final = re.compile(r"[^a-z0-9_-]")

_LABEL_LENGTH: Final = 63

_MESSAGE_LIMIT: Final = 500


def remote_batch(body: Any) -> RemoteBatch | None:
    """Read a job.

    Args:
        body: The reply, parsed. Any JSON value is borne.

    Returns:
        The batch, with its full name as id, which says where it runs; None where the reply is no job.
    """
    name = body.get("name") if isinstance(body, dict) else None
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return None
    status = _text(body.get("state"))
    phase = _PHASES.get(status, BatchPhase.UNKNOWN)
    stats = _mapping(body.get("completionStats"))
    completed, failed = _count(stats.get("successfulCount")), _count(stats.get("failedCount"))
    errors = job_errors(body.get("error")) if phase is not BatchPhase.CANCELLED else ()
    directory = _text(_mapping(body.get("outputInfo")).get("gcsOutputDirectory"))
    return RemoteBatch(
        id=name,
        status=status,
        phase=phase,
        total=completed + failed + _count(stats.get("incompleteCount")),
        completed=completed,
        failed=failed,
        result_files=(directory,) if directory else (),
        errors=errors,
        created_at_s=seconds(body.get("createTime")),
        input_file_id=_input(body.get("inputConfig")),
        shard_id=_mark(body),
        ledger_id=_text(_mapping(body.get("labels")).get(LEDGER_MARK)) or None,
        send_again=_send_again(errors) if phase is BatchPhase.FAILED and not completed + failed else None,
    )


def job_config(submission: Submission, timeout_ms: int) -> dict[str, Any]:
    """Say what google-genai is to ask for besides model and input; labels have no argument of their own."""
    labels = {SHARD_MARK: label(submission.shard_id), "batchline_job": label(submission.job_id)}
    if submission.ledger_id:
        labels[LEDGER_MARK] = label(submission.ledger_id)
    folder = submission.file_id.rpartition("/")[0]
    return {
        "display_name": submission.shard_id,
        # Jobs that began in the same instant would write over each other's results.
        "dest": f"{folder}/output-{secrets.token_hex(6)}",
        "http_options": {"timeout": timeout_ms, "extra_body": {"labels": labels}},
    }


def location_of(batch_id: str) -> str | None:
    """Return the location that a job's full name tells; None where it is no such name."""
    found = _NAME.fullmatch(batch_id)
    return found[1] if found else None


def label(value: str) -> str:
    """Make a label of a text, as far as Google's rules for labels allow."""
    return _NOT_LABEL.sub("-", value.lower())[:_LABEL_LENGTH]


def seconds(moment: Any) -> float | None:
    """Read one of Google's times, of any precision, as Unix seconds."""
    try:
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", moment)).timestamp()
    except (TypeError, ValueError):
        return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return value if type(value) is int and value > 0 else 0


def _input(config: Any) -> str | None:
    uris = _mapping(_mapping(config).get("gcsSource")).get("uris")
    return _text(uris[0]) or None if isinstance(uris, list) and len(uris) == 1 else None


def _mark(body: Mapping[str, Any]) -> str | None:
    """The shard is the job's name for people; the label says that it is ours."""
    name = _text(body.get("displayName"))
    return name if name and _mapping(body.get("labels")).get(SHARD_MARK) == label(name) else None


def job_errors(error: Any) -> tuple[LineError, ...]:
    """Read why a job failed, from a `google.rpc.Status`; only an "invalid argument" is of the requests."""
    fields = _mapping(error)
    if not fields:
        return ()
    code = fields.get("code")
    message = _text(fields.get("message"))[:_MESSAGE_LIMIT]
    ours = code == _INVALID and _MISPLACED.search(message) is None
    name = None if code is None else str(code)
    return (LineError(line=None, code=name, message=message, param=None, of_requests=ours),)


def _send_again(errors: tuple[LineError, ...]) -> SendAgain | None:
    """Tell a failure of Google's own: nothing is wrong with the requests."""
    for error in errors:
        if error.code == str(_INTERNAL) or (error.code == str(_INVALID) and not error.of_requests):
            return SendAgain.BROKEN
        if _UNFOUND.search(error.message):
            return SendAgain.FILE_UNFOUND
    return None
