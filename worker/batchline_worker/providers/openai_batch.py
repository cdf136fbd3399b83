"""An OpenAI batch object, as JSON, read into ours.

Read from the reply's JSON and not from the SDK's class: the SDK validates no
reply, so a null, an unknown status or a proxy's page would pass as a `Batch`.

Source: OpenAI's batch object reference; oddities in `docs/providers.md`.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from batchline_worker.providers.base import SHARD_MARK, BatchPhase, LineError, RemoteBatch, SendAgain

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["marks", "remote_batch"]

_PHASES: Mapping[str, BatchPhase] = MappingProxyType(
    {
        "validating": BatchPhase.VALIDATING,
        "in_progress": BatchPhase.RUNNING,
        "finalizing": BatchPhase.FINALIZING,
        "completed": BatchPhase.COMPLETED,
        "failed": BatchPhase.FAILED,
        "expired": BatchPhase.EXPIRED,
        "cancelling": BatchPhase.CANCELLING,
        "cancelled": BatchPhase.CANCELLED,
    }
)

_MAX_PAIRS, _MAX_KEY, _MAX_VALUE = 16, 64, 512
"""OpenAI's limits of metadata: pairs, characters of a key, characters of a value."""

_TOKEN_LIMIT = re.compile(r"Limit:\s*([\d,]+)\s*enqueued tokens", re.ASCII)
"""The same error is used for enqueued requests, whose limit is no number of tokens."""

_MESSAGE_LIMIT = 500


def remote_batch(body: Any) -> RemoteBatch | None:
    """Read a batch object.

    Args:
        body: The reply, parsed. Any JSON value is borne.

    Returns:
        The batch; None where the reply is no batch object.
    """
    if not isinstance(body, dict) or body.get("object") != "batch" or not _text(body.get("id")):
        return None
    status = _text(body.get("status")) or ""
    counts = _mapping(body.get("request_counts"))
    phase = _PHASES.get(status, BatchPhase.UNKNOWN)
    errors = _line_errors(_mapping(body.get("errors")).get("data"))
    files = (_text(body.get("output_file_id")), _text(body.get("error_file_id")))
    return RemoteBatch(
        id=body["id"],
        status=status,
        phase=phase,
        total=_count(counts.get("total")),
        completed=_count(counts.get("completed")),
        failed=_count(counts.get("failed")),
        result_files=tuple(dict.fromkeys(file for file in files if file)),
        errors=errors,
        created_at_s=_seconds(body.get("created_at")),
        input_file_id=_text(body.get("input_file_id")),
        shard_id=_text(_mapping(body.get("metadata")).get(SHARD_MARK)),
        send_again=_send_again(errors) if phase is BatchPhase.FAILED else None,
        enqueued_limit_tokens=_enqueued_limit(errors),
    )


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


def _count(value: Any) -> int:
    return value if type(value) is int and value > 0 else 0


def _seconds(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) else None


def _line_errors(data: Any) -> tuple[LineError, ...]:
    return tuple(
        LineError(
            line=error.get("line") if type(error.get("line")) is int else None,
            code=_text(error.get("code")),
            message=(_text(error.get("message")) or "")[:_MESSAGE_LIMIT],
            param=_text(error.get("param")),
        )
        for error in (data if isinstance(data, list) else ())
        if isinstance(error, dict)
    )


def _send_again(errors: tuple[LineError, ...]) -> SendAgain | None:
    """Tell a refusal that time or another upload mends: nothing is wrong with the requests."""
    whole = [error for error in errors if error.line is None]
    if any(error.code == "token_limit_exceeded" for error in whole):
        return SendAgain.NO_ROOM
    if any(error.param == "file_id" or error.message.startswith("Cannot find file") for error in whole):
        return SendAgain.FILE_UNFOUND
    return None


def _enqueued_limit(errors: tuple[LineError, ...]) -> int | None:
    for error in errors:
        found = _TOKEN_LIMIT.search(error.message) if error.code == "token_limit_exceeded" else None
        if found:
            return int(found[1].replace(",", "") or 0) or None
    return None
