"""Deadlines as `enqueue` takes them: by Redis' clock, with a zone, and in the future."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from batchline import BatchClient, InvalidInputError
from batchline_shared.ledger import OnDeadline
from unit.client.sketches import MODEL, User, keys_left, says

if TYPE_CHECKING:
    from redis import Redis

NOW = datetime.now(UTC)


def test_a_time_from_now_counts_by_the_servers_clock(client: BatchClient) -> None:
    before_ms = client.connection.work.now_ms()
    job = client.enqueue(MODEL, User, [says()], deadline=timedelta(hours=2))
    info = job.info()

    assert info.deadline is not None
    assert 0 <= info.deadline.timestamp() * 1000 - before_ms - 7_200_000 < 5_000
    assert info.on_deadline is OnDeadline.CANCEL


def test_a_moment_of_any_zone_is_kept_as_it_is(client: BatchClient) -> None:
    moment = (NOW + timedelta(days=1)).replace(microsecond=0)
    job = client.enqueue(
        MODEL, User, [says()], deadline=moment.astimezone(timezone(timedelta(hours=9))), on_deadline="live"
    )

    assert job.info().deadline == moment
    assert job.info().on_deadline is OnDeadline.LIVE


def test_a_job_without_a_deadline_says_none(client: BatchClient) -> None:
    info = client.enqueue(MODEL, User, [says()]).info()

    assert (info.deadline, info.on_deadline) == (None, None)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param({"deadline": timedelta(0)}, "has passed", id="no time"),
        pytest.param({"deadline": timedelta(seconds=-1)}, "has passed", id="a negative time"),
        pytest.param({"deadline": NOW - timedelta(days=1)}, "has passed", id="a past moment"),
        pytest.param({"deadline": datetime(2100, 1, 1)}, "no time zone", id="a naive moment"),  # noqa: DTZ001
        pytest.param({"deadline": 3600}, "must be a timedelta", id="a number"),
        pytest.param({"deadline": timedelta(days=4000)}, "at most 3650", id="too far away"),
        pytest.param(
            {"deadline": timedelta(hours=1), "on_deadline": "stop"}, '"cancel", "live"', id="no action"
        ),
        pytest.param({"on_deadline": "live"}, "needs a deadline", id="an action alone"),
        pytest.param(
            {"deadline": timedelta(minutes=5), "linger_s": 300}, "linger_s=300 lets", id="a long linger"
        ),
    ],
)
def test_what_is_no_deadline_is_refused_and_leaves_nothing(
    client: BatchClient, ledger: Redis, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidInputError, match=words):
        client.enqueue(MODEL, User, [says()], **given)

    assert keys_left(ledger) == []


@pytest.mark.parametrize("given", [{"linger_s": 299}, {"linger_s": 300, "on_deadline": "live"}])
def test_a_linger_that_leaves_time_or_does_not_apply_is_taken(
    client: BatchClient, given: dict[str, Any]
) -> None:
    job = client.enqueue(MODEL, User, [says()], deadline=timedelta(minutes=5), **given)

    assert job.info().deadline is not None


def test_an_idempotency_key_gives_its_job_also_once_the_deadline_has_passed(client: BatchClient) -> None:
    job = client.enqueue(MODEL, User, [says()], idempotency_key="nightly", deadline=timedelta(hours=1))
    again = client.enqueue(
        MODEL, User, [says()], idempotency_key="nightly", deadline=NOW - timedelta(seconds=1)
    )

    assert again.id == job.id
