"""What a person, or an audit, decides of a shard that its workers must not move by themselves.

A decision lies in the shard's record until a worker has carried it out: so it survives any crash, and whoever
decides needs no provider's key.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

__all__ = ["GIVE_UP", "NO_BATCH", "Resolved", "batch_decision", "decided_batch", "is_given_up"]

NO_BATCH: Final = "none"
"""No batch exists: the shard goes out again."""

GIVE_UP: Final = "give_up"
"""It is not to be handled any more: its requests end as they are. A batch that was decided before follows."""

_BATCH: Final = "batch "


class Resolved(IntEnum):
    """What came of deciding."""

    NOT_IN_DOUBT = 0
    NOTED = 1
    """A worker will carry it out, or refuse it."""
    BEFORE = 2
    """The same was decided before, and has been carried out."""


def batch_decision(batch_id: str) -> str:
    """This batch is the shard's."""
    return _BATCH + batch_id


def decided_batch(decision: str) -> str:
    """The batch that a decision names; empty where it names none."""
    decision = decision.removeprefix(f"{GIVE_UP} ")
    return decision.removeprefix(_BATCH) if decision.startswith(_BATCH) else ""


def is_given_up(decision: str) -> bool:
    """Whether the shard is to end, whatever was decided before."""
    return decision == GIVE_UP or decision.startswith(f"{GIVE_UP} ")
