"""The objects that OpenAI's API shows: files, batches, lists, and their ids."""

import random
import string
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from batchline_simulator.file_table import StoredFile
from batchline_simulator.phases import Phase

DAY_S = 86_400
FILE_LIFE_S = 30 * DAY_S
"""How long a batch file is kept unless the upload says otherwise, in seconds."""

WORDS: Mapping[Phase, str] = {
    "checking": "validating",
    "running": "in_progress",
    "finishing": "finalizing",
    "cancelling": "cancelling",
    "failed": "failed",
    "completed": "completed",
    "expired": "expired",
    "cancelled": "cancelled",
}
"""Statuses of a batch."""

_ALPHABET = string.ascii_letters + string.digits

Usage = tuple[int, int]
"""Input and output tokens."""
NOTHING_USED: Usage = (0, 0)


def new_file_id() -> str:
    """Make an id such as `file-TnjeSoqJGFp7SfehYrEuHH`."""
    return "file-" + random_text(random.SystemRandom(), 22)


def new_batch_id() -> str:
    """Make an id such as `batch_6780bb2f8f6c8190a6c0abfb8502bba6`."""
    return f"batch_{uuid.uuid4().hex}"


def random_text(rng: random.Random, length: int) -> str:
    """Draw letters and digits."""
    return "".join(rng.choices(_ALPHABET, k=length))


def file_object(stored: StoredFile) -> dict[str, Any]:
    """Show a file."""
    return {
        "object": "file",
        "id": stored.id,
        "purpose": stored.purpose,
        "filename": stored.filename,
        "bytes": stored.bytes,
        "created_at": stored.created_at,
        "expires_at": stored.expires_at,
        "status": "processed",
        "status_details": None,
    }


def new_batch(
    batch_id: str, *, endpoint: str, input_file_id: str, metadata: dict[str, str] | None, now: int
) -> dict[str, Any]:
    """Show a batch that has just been accepted, created at `now` in Unix seconds."""
    moments = dict.fromkeys(("in_progress_at", "expires_at", "finalizing_at", "completed_at", "failed_at"))
    moments |= dict.fromkeys(("expired_at", "cancelling_at", "cancelled_at"))
    return {
        "id": batch_id,
        "object": "batch",
        "endpoint": endpoint,
        "model": None,
        "errors": None,
        "input_file_id": input_file_id,
        "completion_window": "24h",
        "status": "validating",
        "output_file_id": None,
        "error_file_id": None,
        "created_at": now,
        **moments,
        "expires_at": now + DAY_S,
        "request_counts": counts(0, 0, 0),
        "metadata": metadata,
        "usage": usage(NOTHING_USED),
    }


def tokens_of(body: Any) -> Usage:
    """Read what a reply of any endpoint says it cost; nothing where it does not say."""
    used = body.get("usage") if isinstance(body, dict) else None
    if not isinstance(used, dict):
        return NOTHING_USED
    return _first_count(used, "input_tokens", "prompt_tokens"), _first_count(
        used, "output_tokens", "completion_tokens"
    )


def _first_count(used: Mapping[str, Any], *names: str) -> int:
    return next((used[name] for name in names if isinstance(used.get(name), int)), 0)


def counts(total: int, completed: int, failed: int) -> dict[str, int]:
    """Show how many requests of a batch are done."""
    return {"total": total, "completed": completed, "failed": failed}


def usage(tokens: Usage) -> dict[str, Any]:
    """Show the tokens of a whole batch."""
    return {
        "input_tokens": tokens[0],
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": tokens[1],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": sum(tokens),
    }


def batch_errors(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Show why a batch failed."""
    return {"object": "list", "data": list(found)}


def page(items: Sequence[dict[str, Any]], limit: int) -> dict[str, Any]:
    """Show the first `limit` items; one more than that says that there are more."""
    shown = list(items[:limit])
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": len(items) > limit,
    }
