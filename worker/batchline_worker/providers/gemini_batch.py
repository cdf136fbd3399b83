"""A batch of the Gemini Developer API, as JSON, read into ours.

It is an operation, whose `metadata` is the batch. The error and the counts stand
where the SDK does not look, so it is read from the reply itself. A batch that has
expired has no results.

Source: the Gemini API's batch guide and reference; oddities in `docs/providers.md`.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from batchline_worker.providers.base import LEDGER_MARK, SHARD_MARK, BatchPhase, RemoteBatch, SendAgain
from batchline_worker.providers.google_batch import job_errors, seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["display_name", "is_batch_name", "remote_batch"]

_PHASES: Mapping[str, BatchPhase] = MappingProxyType(
    {
        "PENDING": BatchPhase.VALIDATING,
        "RUNNING": BatchPhase.RUNNING,
        "SUCCEEDED": BatchPhase.COMPLETED,
        "FAILED": BatchPhase.FAILED,
        "CANCELLED": BatchPhase.CANCELLED,
        "EXPIRED": BatchPhase.EXPIRED,
    }
)

_STATE: Final = re.compile(r"(?:BATCH|JOB)_STATE_")
"""Both spellings have been seen."""

_NAME: Final = re.compile(r"batches/[A-Za-z0-9_-]+")
_FILE: Final = re.compile(r"files/[A-Za-z0-9_-]+")
"""Names become parts of addresses, so they may hold nothing else."""

_INTERNAL: Final = 13
"""Code of google.rpc.Code."""


def display_name(shard_id: str, ledger_id: str = "") -> str:
    """The name by which a batch of ours is known: there are no labels here."""
    return f"{SHARD_MARK}={shard_id}" + (f";{LEDGER_MARK}={ledger_id}" if ledger_id else "")


def is_batch_name(name: str) -> bool:
    """Whether this is the name of a batch."""
    return _NAME.fullmatch(name) is not None


def remote_batch(body: Any) -> RemoteBatch | None:
    """Read an operation.

    Args:
        body: The reply, parsed. Any JSON value is borne.

    Returns:
        The batch; None where the reply is none.
    """
    name = body.get("name") if isinstance(body, dict) else None
    if not isinstance(name, str) or not is_batch_name(name):
        return None
    batch = _mapping(body.get("metadata"))
    status = _text(batch.get("state"))
    phase = _PHASES.get(_STATE.sub("", status), BatchPhase.UNKNOWN)
    stats = _mapping(batch.get("batchStats"))
    completed, failed = (_count(stats.get(f"{kind}RequestCount")) for kind in ("successful", "failed"))
    errors = job_errors(body.get("error")) if phase is BatchPhase.FAILED else ()
    broken = phase is BatchPhase.FAILED and any(error.code == str(_INTERNAL) for error in errors)
    return RemoteBatch(
        id=name,
        status=status,
        phase=phase,
        total=_count(stats.get("requestCount")),
        completed=completed,
        failed=failed,
        result_files=_files(batch.get("output"), body.get("response")),
        errors=errors,
        created_at_s=seconds(batch.get("createTime")),
        input_file_id=_file(_mapping(batch.get("inputConfig")).get("fileName")),
        shard_id=_marks(_text(batch.get("displayName"))).get(SHARD_MARK),
        ledger_id=_marks(_text(batch.get("displayName"))).get(LEDGER_MARK),
        send_again=SendAgain.BROKEN if broken and not completed + failed else None,
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return value if type(value) is int and value > 0 else 0


def _file(value: Any) -> str | None:
    return value if isinstance(value, str) and _FILE.fullmatch(value) else None


def _files(*outputs: Any) -> tuple[str, ...]:
    """The result file stands in the metadata, in the response, or in both."""
    names = (_file(_mapping(output).get("responsesFile")) for output in outputs)
    return tuple(dict.fromkeys(name for name in names if name))


def _marks(name: str) -> dict[str, str]:
    """What `display_name` wrote; nothing on a name that is not ours."""
    if not name.startswith(f"{SHARD_MARK}="):
        return {}
    pairs = (part.partition("=") for part in name.split(";"))
    return {mark: value for mark, _, value in pairs}
