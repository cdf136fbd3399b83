"""What jobs have cost, added up by what they have in common."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic resolves the annotations of this module
from typing import TYPE_CHECKING, Final

import orjson
from pydantic import BaseModel, ConfigDict

from batchline_shared.accounts import parse_model
from batchline_shared.errors import InvalidInputError
from batchline_shared.pricing import Cost, cost_of_job, total

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from batchline_shared.ledger import JobMeta

__all__ = ["CostLine", "cost_lines", "group_of"]

_TAG: Final = "tag:"


class CostLine(BaseModel):
    """Jobs that have a model, an account or a tag in common, and what they have cost so far."""

    model_config = ConfigDict(frozen=True)

    group: str | None
    """What they have in common; None: they lack the tag."""
    jobs: int
    requests: int
    succeeded: int
    errored: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    cost: Cost
    """Of the jobs whose price is known; unknown where none is."""
    unpriced_jobs: int
    """Jobs whose price is unknown, and which `cost` therefore leaves out."""


class _Sum:
    """One line in the making: sums only, so that a million jobs take no more than one."""

    def __init__(self) -> None:
        self.counts = [0] * 7
        self.cost = total(())
        self.unpriced = 0

    def add(self, meta: JobMeta) -> None:
        """Add a job."""
        counts = (1, meta.total, meta.succeeded, meta.errored)
        tokens = (meta.input_tokens, meta.spent.cached, meta.output_tokens)
        self.counts = [mine + more for mine, more in zip(self.counts, (*counts, *tokens), strict=True)]
        cost = cost_of_job(meta)
        self.unpriced += cost.batch_usd is None
        self.cost = total((self.cost, cost))

    def line(self, group: str | None) -> CostLine:
        """The line."""
        jobs, requests, succeeded, errored, paid, cached, output = self.counts
        return CostLine(
            group=group,
            jobs=jobs,
            requests=requests,
            succeeded=succeeded,
            errored=errored,
            input_tokens=paid,
            cached_input_tokens=cached,
            output_tokens=output,
            cost=self.cost,
            unpriced_jobs=self.unpriced,
        )


def cost_lines(
    jobs: Iterable[JobMeta], group: Callable[[JobMeta], str | None], since: datetime | None
) -> list[CostLine]:
    """Add jobs up by group, the dearest first; groups of unknown cost last.

    Args:
        jobs: Newest first.
        group: What each is added up under.
        since: Only those enqueued then or later; None: all.
    """
    # A time without a zone is a local one, as `datetime.now()` gives it.
    first = since.astimezone() if since is not None else None
    sums: dict[str | None, _Sum] = {}
    for meta in jobs:
        if first is not None and meta.created_at < first:
            break
        sums.setdefault(group(meta), _Sum()).add(meta)
    lines = [found.line(name) for name, found in sums.items()]
    return sorted(lines, key=lambda line: (-(line.cost.batch_usd or 0), line.group or ""))


def group_of(group_by: str) -> Callable[[JobMeta], str | None]:
    """What a job is added up under.

    Args:
        group_by: `model`, `account`, `job`, or `tag:<name>` for a key of the jobs' metadata.

    Raises:
        InvalidInputError: It is none of these.
    """
    if group_by.startswith(_TAG) and group_by != _TAG:
        return lambda meta: _text(meta.metadata.get(group_by.removeprefix(_TAG)))
    groups: dict[str, Callable[[JobMeta], str | None]] = {
        "model": lambda meta: meta.model,
        "account": lambda meta: parse_model(meta.model).route,
        "job": lambda meta: meta.id,
    }
    if group_by not in groups:
        raise InvalidInputError(f"costs are grouped by model, account, job or tag:<name>, not {group_by!r}")
    return groups[group_by]


def _text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()
