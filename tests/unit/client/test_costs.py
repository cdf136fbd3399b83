"""What jobs have cost, one by one and added up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from batchline import InvalidInputError

if TYPE_CHECKING:
    from batchline import BatchClient, CostLine, Job
    from unit.client.worker_desk import WorkerDesk

MINI, LARGE, NOBODYS = "openai/gpt-4.1-mini", "openai/gpt-4.1", "openai/no-such-model"
MINI_USD = (
    Decimal("0.2") * 10 / 10**6 + Decimal("0.8") * 5 / 10**6
)  # one answer of the desk's, 10 and 5 tokens
LARGE_USD = Decimal(1) * 10 / 10**6 + Decimal(4) * 5 / 10**6


def ran(client: BatchClient, desk: WorkerDesk, model: str, count: int = 1, **metadata: Any) -> Job[str]:
    """A job of so many requests, all answered."""
    said = [[{"role": "user", "content": "hi"}]] * count
    job = client.enqueue(model, None, said, metadata=metadata)
    desk.complete(job.id, *((row, "yes") for row in range(count)))
    return job


def shown(lines: list[CostLine]) -> list[tuple[str | None, int, Decimal | None]]:
    return [(line.group, line.jobs, line.cost.batch_usd) for line in lines]


def test_a_job_tells_its_cost_while_it_runs(client: BatchClient, desk: WorkerDesk) -> None:
    job = client.enqueue(MINI, None, [[{"role": "user", "content": "hi"}]] * 2)
    desk.answer(job.id, (0, "yes"))

    info = job.info()

    assert (info.cost.batch_usd, info.cost.standard_usd) == (MINI_USD, 2 * MINI_USD)
    assert "spent" not in info.model_dump()


def test_costs_are_added_up_by_model_the_dearest_first(client: BatchClient, desk: WorkerDesk) -> None:
    ran(client, desk, MINI)
    ran(client, desk, LARGE)
    ran(client, desk, MINI, 2)

    lines = client.costs()

    assert shown(lines) == [(LARGE, 1, LARGE_USD), (MINI, 2, 3 * MINI_USD)]
    assert (lines[1].requests, lines[1].succeeded, lines[1].errored) == (3, 3, 0)
    assert (lines[1].input_tokens, lines[1].cached_input_tokens, lines[1].output_tokens) == (30, 0, 15)


def test_costs_are_added_up_by_a_tag_of_the_metadata(client: BatchClient, desk: WorkerDesk) -> None:
    ran(client, desk, MINI, 3, team="a")
    ran(client, desk, LARGE, team="b")
    ran(client, desk, MINI, team=7)
    ran(client, desk, MINI)

    assert shown(client.costs("tag:team")) == [
        ("b", 1, LARGE_USD),
        ("a", 1, 3 * MINI_USD),
        (None, 1, MINI_USD),
        ("7", 1, MINI_USD),
    ]


def test_costs_are_told_by_job_and_by_account(client: BatchClient, desk: WorkerDesk) -> None:
    small, large = ran(client, desk, MINI), ran(client, desk, LARGE)

    assert shown(client.costs("job")) == [(large.id, 1, LARGE_USD), (small.id, 1, MINI_USD)]
    assert shown(client.costs("account")) == [("openai", 2, LARGE_USD + MINI_USD)]


def test_a_job_of_unknown_price_is_left_out_of_the_sum_and_counted(
    client: BatchClient, desk: WorkerDesk
) -> None:
    ran(client, desk, NOBODYS)
    ran(client, desk, MINI)

    (both,) = client.costs("account")
    known, unknown = client.costs("model")

    assert (both.jobs, both.unpriced_jobs, both.cost.batch_usd) == (2, 1, MINI_USD)
    assert (known.unpriced_jobs, unknown.group, unknown.unpriced_jobs) == (0, NOBODYS, 1)
    assert (unknown.cost.batch_usd, unknown.cost.basis) == (None, "unknown")


def test_only_jobs_since_a_moment_are_added_up(client: BatchClient, desk: WorkerDesk) -> None:
    job = ran(client, desk, MINI)
    created = job.info().created_at

    assert len(client.costs(since=created)) == 1
    assert client.costs(since=created + timedelta(milliseconds=1)) == []
    assert len(client.costs(since=datetime.now() - timedelta(hours=1))) == 1  # noqa: DTZ005 - a local time
    assert client.costs(since=datetime.now(UTC) + timedelta(hours=1)) == []


@pytest.mark.parametrize("group_by", ["", "team", "tag:", "tags:team"])
def test_what_jobs_cannot_be_grouped_by_is_refused(client: BatchClient, group_by: str) -> None:
    with pytest.raises(InvalidInputError, match="tag:<name>"):
        client.costs(group_by)
