"""Did every request end exactly once, and was nothing paid for twice?

Two independent witnesses are asked: the outcomes as the client read them, and
the provider's own list of the batches that it accepted.
"""

from __future__ import annotations

import http.client
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import BaseModel

from batchline_ops.supervisor import StackError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from batchline import ProviderBatch

__all__ = ["AcceptedBatch", "Verdict", "accepted_batches", "judge"]

_TIMEOUT_S = 30.0


class AcceptedBatch(BaseModel):
    """A batch that the provider took in, and would bill."""

    id: str
    status: str
    line_count: int
    done_count: int = 0
    """Requests that the provider is done with."""
    metadata: dict[str, str] | None = None
    display_name: str | None = None
    first_custom_id: str | None = None

    def is_of(self, job_id: str) -> bool:
        """Whether the batch holds requests of a job, by whatever mark its provider keeps."""
        marks = (self.display_name, self.first_custom_id, *(self.metadata or {}).values())
        name = job_id.removeprefix("job_")
        return any(name in mark for mark in marks if mark)


class _BatchLog(BaseModel):
    """What the simulator lists."""

    data: list[AcceptedBatch]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the two witnesses say."""

    outcomes: int
    shards: int
    batches: int
    problems: tuple[str, ...]
    """In words; empty if all is well."""

    @property
    def exactly_once(self) -> bool:
        """Whether every request has one outcome and was sent once."""
        return not self.problems


def accepted_batches(simulator_url: str, job_id: str) -> list[AcceptedBatch]:
    """Ask the simulator which batches of a job it accepted.

    Raises:
        StackError: It does not answer.
    """
    # Not through urllib: that would ask a proxy of the environment for a page of this machine.
    connection = http.client.HTTPConnection(urlsplit(simulator_url).netloc, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/_sim/batches")
        log = _BatchLog.model_validate_json(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise StackError(f"the simulator at {simulator_url} does not tell its batches: {error}") from error
    finally:
        connection.close()
    return [batch for batch in log.data if batch.is_of(job_id)]


def judge(
    expected: Collection[str],
    seen: Mapping[str, int],
    shards: Sequence[ProviderBatch],
    accepted: Sequence[AcceptedBatch],
) -> Verdict:
    """Compare what was asked, what came back, and what the provider took in.

    Args:
        expected: Every custom id that was enqueued.
        seen: Custom id → outcomes that bore it.
        shards: The job's parts, with the batch that each believes to be its own.
        accepted: Every batch of the job that the provider accepted.
    """
    asked = set(expected)
    counted = {
        "requests have no outcome": [name for name in asked if not seen.get(name)],
        "requests have more than one outcome": [name for name in asked if seen.get(name, 0) > 1],
        "outcomes answer nothing that was asked": [name for name in seen if name not in asked],
        "parts have no batch, or not one of their own": _unmatched(shards, accepted),
        "batches belong to no part": _unclaimed(shards, accepted),
    }
    problems = [f"{len(names)} {what}, such as {min(names)!r}" for what, names in counted.items() if names]
    lines = sum(batch.line_count for batch in accepted)
    if lines != len(asked):
        problems.append(f"the provider was sent {lines} lines for {len(asked)} requests")
    return Verdict(
        outcomes=sum(seen.values()), shards=len(shards), batches=len(accepted), problems=tuple(problems)
    )


def _unmatched(shards: Sequence[ProviderBatch], accepted: Sequence[AcceptedBatch]) -> list[str]:
    """Parts whose batch the provider does not know, is another part's too, or has other lines."""
    lines = {batch.id: batch.line_count for batch in accepted}
    claims = Counter(map(_claimed, shards))
    return [
        shard.shard
        for shard in shards
        if claims[_claimed(shard)] > 1 or lines.get(_claimed(shard)) != shard.requests
    ]


def _unclaimed(shards: Sequence[ProviderBatch], accepted: Sequence[AcceptedBatch]) -> list[str]:
    """Batches beyond one for each part: what a second submission would leave."""
    claimed = set(map(_claimed, shards))
    return [batch.id for batch in accepted if batch.id not in claimed]


def _claimed(shard: ProviderBatch) -> str:
    """The batch that a part takes for its own, as the simulator names it: Google's ids are paths."""
    return (shard.batch_id or "").rpartition("/")[2]
