"""An OpenAI batch object, as JSON, read into ours.

Read from the reply's JSON and not from the SDK's class: the SDK validates no
reply, so a null, an unknown status or a proxy's page would pass as a `Batch`.

Source: OpenAI's batch object reference; oddities in `docs/providers.md`.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import structlog

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

__all__ = ["identifier", "marks", "remote_batch"]

_PHASES: Mapping[str, BatchPhase] = MappingProxyType(
    {
        "validating": BatchPhase.VALIDATING,
        "queued": BatchPhase.VALIDATING,
        "pending": BatchPhase.VALIDATING,
        "in_progress": BatchPhase.RUNNING,
        "running": BatchPhase.RUNNING,
        "processing": BatchPhase.RUNNING,
        "progress": BatchPhase.RUNNING,
        "finalizing": BatchPhase.FINALIZING,
        "completed": BatchPhase.COMPLETED,
        "succeeded": BatchPhase.COMPLETED,
        "success": BatchPhase.COMPLETED,
        "failed": BatchPhase.FAILED,
        "error": BatchPhase.FAILED,
        "expired": BatchPhase.EXPIRED,
        "cancelling": BatchPhase.CANCELLING,
        "canceling": BatchPhase.CANCELLING,
        "cancelled": BatchPhase.CANCELLED,
        "canceled": BatchPhase.CANCELLED,
    }
)
"""OpenAI's words, and what servers like OpenAI's say instead; in any case, with `-` for `_`."""

_RESULTS = (("output_file_id", "output_file_url"), ("error_file_id", "error_file_url"))
"""Where results are, by id or else by link; a server that has neither may give one `results_url`."""

_MILLISECONDS_FROM = 1e11
"""A Unix time above this is no number of seconds before the year 5138."""

_MAX_PAIRS, _MAX_KEY, _MAX_VALUE = 16, 64, 512
"""OpenAI's limits of metadata: pairs, characters of a key, characters of a value."""

_LIMIT = re.compile(r"Limit:\s*([\d,]+)\s*enqueued (tokens|requests)", re.ASCII)
"""What the message of `token_limit_exceeded` names: a limit of tokens, for embeddings one of requests."""

_MESSAGE_LIMIT = 500
_STATUS_LIMIT = 40

_log = structlog.get_logger("batchline.openai")


def remote_batch(body: Any) -> RemoteBatch | None:
    """Read a batch object.

    Args:
        body: The reply, parsed. Any JSON value is borne.

    Returns:
        The batch; None where the reply is no batch object.
    """
    if isinstance(body, dict) and isinstance(body.get("job"), dict):
        body = body["job"]  # Together's reply to a creation
    batch_id = identifier(body.get("id")) if isinstance(body, dict) and _is_batch(body) else None
    if batch_id is None:
        return None
    status = _text(body.get("status")) or ""
    counts = _mapping(body.get("request_counts"))
    phase = _PHASES.get(status.lower().replace("-", "_"), BatchPhase.UNKNOWN)
    if phase is BatchPhase.UNKNOWN:
        _log.warning("status_unknown", batch=batch_id, status=status[:_STATUS_LIMIT])
    errors = _line_errors(body.get("errors"))
    return RemoteBatch(
        id=batch_id,
        status=status,
        phase=phase,
        total=_count(counts.get("total")),
        completed=_count(counts.get("completed")),
        failed=_count(counts.get("failed")),
        result_files=_result_files(body),
        errors=errors,
        created_at_s=_seconds(body.get("created_at")),
        input_file_id=identifier(body.get("input_file_id")),
        shard_id=_text(_mapping(body.get("metadata")).get(SHARD_MARK)),
        ledger_id=_text(_mapping(body.get("metadata")).get(LEDGER_MARK)),
        send_again=_send_again(errors) if phase is BatchPhase.FAILED else None,
        enqueued_limit_tokens=_enqueued_limit(errors, "tokens"),
        enqueued_limit_requests=_enqueued_limit(errors, "requests"),
    )


def _is_batch(body: Mapping[str, Any]) -> bool:
    """Whether an object calls itself a batch; one that does not say what it is must have a status."""
    kind = body.get("object")
    return kind == "batch" or (kind is None and isinstance(body.get("status"), str))


def marks(shard_id: str, metadata: Mapping[str, str]) -> dict[str, str]:
    """Build a batch's metadata: our mark first, then as much of the rest as OpenAI takes.

    The rest is for people, so it is cut rather than refused: no job fails over it.
    """
    others = ((key[:_MAX_KEY], value[:_MAX_VALUE]) for key, value in metadata.items() if key != SHARD_MARK)
    return dict([(SHARD_MARK, shard_id), *others][:_MAX_PAIRS])


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    # OpenAI sends "" for an absent file id at times; asking for that file would list them all.
    return value if isinstance(value, str) and value else None


def identifier(value: Any) -> str | None:
    """Read an id; some servers number their objects."""
    return str(value) if type(value) is int else _text(value)


def _count(value: Any) -> int:
    """Read a count, which some servers write as text; 0 where there is none."""
    number = _number(value)
    return int(number) if number is not None and number > 0 else 0


def _number(value: Any) -> float | None:
    if type(value) not in (int, float, str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _seconds(value: Any) -> float | None:
    """Read a Unix time, in seconds or milliseconds, or an ISO 8601 one, in UTC where it names no zone."""
    number = _number(value)
    if number is not None:
        return number / 1000 if number > _MILLISECONDS_FROM else number
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _result_files(body: Mapping[str, Any]) -> tuple[str, ...]:
    files = [identifier(body.get(by_id)) or _text(body.get(by_link)) for by_id, by_link in _RESULTS]
    if not any(files):
        files = [_text(body.get("results_url"))]
    return tuple(dict.fromkeys(file for file in files if file))


def _line_errors(errors: Any) -> tuple[LineError, ...]:
    """Read why a batch failed: OpenAI's list object, or a list, an object or text alone."""
    data = errors["data"] if isinstance(errors, dict) and "data" in errors else errors
    found = [_line_error(error) for error in (data if isinstance(data, list) else [data])]
    return tuple(error for error in found if error is not None)


def _line_error(error: Any) -> LineError | None:
    if isinstance(error, str) and error:
        return LineError(line=None, code=None, message=error[:_MESSAGE_LIMIT], param=None)
    if not isinstance(error, dict) or not (error.get("message") or error.get("code")):
        return None
    return LineError(
        line=_count(error.get("line")) or None,
        code=identifier(error.get("code")),
        message=(_text(error.get("message")) or "")[:_MESSAGE_LIMIT],
        param=_text(error.get("param")),
    )


def _send_again(errors: tuple[LineError, ...]) -> SendAgain | None:
    """Tell a refusal that time or another upload mends: nothing is wrong with the requests."""
    whole = [error for error in errors if error.line is None]
    if any(error.code == "token_limit_exceeded" for error in whole):
        return SendAgain.NO_ROOM
    if any(error.param == "file_id" or error.message.startswith("Cannot find file") for error in whole):
        return SendAgain.FILE_UNFOUND
    return None


def _enqueued_limit(errors: tuple[LineError, ...], unit: str) -> int | None:
    for error in errors:
        found = _LIMIT.search(error.message) if error.code == "token_limit_exceeded" else None
        if found and found[2] == unit:
            return int(found[1].replace(",", "") or 0) or None
    return None
