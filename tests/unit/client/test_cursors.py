"""`iter_results(after=…)`: each outcome once, whoever reads on, and whatever a retry took back meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchline import BatchClient, ErrorType, InvalidInputError, LedgerError, WaitTimeoutError
from unit.client.sketches import ANN, BOB, MODEL, User, says

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from batchline import Job
    from unit.client.worker_desk import WorkerDesk


def names(job: Job[User], count: int | None = None, after: str | None = None) -> tuple[list[str], str | None]:
    """Read some of what is there, and how far that went."""
    stream = job.iter_results(timeout_s=0, after=after)
    found: list[str] = []
    try:
        while count is None or len(found) < count:
            found.append(next(stream).custom_id.removeprefix("request-"))
    except (StopIteration, WaitTimeoutError):
        pass
    return found, stream.cursor


def test_another_process_goes_on_where_the_first_stopped(
    client: BatchClient, client_on: Callable[[Redis], BatchClient], ledger: Redis, desk: WorkerDesk
) -> None:
    job = client.enqueue(MODEL, User, [says()] * 5)
    desk.answer(job.id, (3, ANN), (1, BOB))
    first, cursor = names(job, 1)
    desk.complete(job.id, (0, ANN), (4, ANN), (2, ANN))

    rest, end = names(client_on(ledger).job(job.id, User), after=cursor)

    assert (first, rest) == (["3"], ["1", "0", "4", "2"])
    assert names(job, after=end) == ([], end)


def test_before_anything_is_read_the_cursor_is_where_reading_began(
    client: BatchClient, desk: WorkerDesk
) -> None:
    job = client.enqueue(MODEL, User, [says()] * 2)
    desk.answer(job.id, (0, ANN))
    _, cursor = names(job)

    assert job.iter_results().cursor is None
    assert job.iter_results(after=cursor).cursor == cursor


@pytest.mark.parametrize("read_before", range(7))
def test_a_retry_neither_repeats_nor_hides_an_outcome(
    client: BatchClient, desk: WorkerDesk, read_before: int
) -> None:
    job = client.enqueue(MODEL, User, [says()] * 6)
    desk.answer(job.id, (5, ErrorType.EXPIRED), (4, ANN), (3, ErrorType.EXPIRED), (2, ANN))
    desk.complete(job.id, (1, ErrorType.EXPIRED), (0, ANN))
    before, cursor = names(job, read_before)

    assert job.retry_failed() == 3
    between, cursor = names(job, after=cursor)
    desk.complete(job.id, (1, ANN), (3, ANN), (5, ANN))
    after, _ = names(job, after=cursor)

    landed = ["5", "4", "3", "2", "1", "0"]
    assert before == landed[:read_before]
    assert between == [name for name in landed[read_before:] if name not in "531"]
    assert after == ["1", "3", "5"]


def test_a_second_retry_keeps_the_gaps_of_the_first(client: BatchClient, desk: WorkerDesk) -> None:
    job = client.enqueue(MODEL, User, [says()] * 3)
    desk.complete(job.id, (0, ErrorType.EXPIRED), (1, ErrorType.RATE_LIMITED), (2, ANN))
    _, cursor = names(job, 2)
    job.retry_failed(["expired"])
    desk.complete(job.id, (0, ANN))
    job.retry_failed(["rate_limited"])

    assert names(job, after=cursor)[0] == ["2", "0"]
    desk.complete(job.id, (1, ANN))
    assert len(job.results()) == 3


@settings(max_examples=40)
@given(stops=st.lists(st.integers(0, 90), max_size=8), landings=st.lists(st.integers(1, 70), max_size=5))
def test_any_row_of_readers_takes_each_outcome_once(stops: list[int], landings: list[int]) -> None:
    import fakeredis  # noqa: PLC0415 - a ledger of its own for every example

    from batchline import Settings  # noqa: PLC0415 - as above
    from unit.client.worker_desk import WorkerDesk  # noqa: PLC0415 - as above

    ledger = fakeredis.FakeRedis()
    client = BatchClient(settings=Settings(broker_url="memory://"), redis=ledger)
    total = sum(landings) + 1
    job = client.enqueue(MODEL, User, [says()] * total)
    desk, row = WorkerDesk(ledger), 0
    for size in landings:
        desk.answer(job.id, *((n, ANN) for n in range(row, row + size)))
        row += size
    desk.complete(job.id, (row, ANN))
    found: list[str] = []
    cursor: str | None = None
    for stop in [*stops, None]:
        part, cursor = names(job, stop, cursor)
        found += part

    assert found == [str(n) for n in range(total)]


@pytest.mark.parametrize("after", ["", "12", "job_x:", "job_x:1-", "job_x:-1-2", 3, b"job_x:0-1"])
def test_what_is_no_cursor_is_refused_at_once(client: BatchClient, after: str) -> None:
    job = client.enqueue(MODEL, User, [says()])

    with pytest.raises(InvalidInputError, match="after must be a cursor"):
        job.iter_results(after=after)


def test_a_cursor_of_another_job_is_refused_at_once(client: BatchClient, desk: WorkerDesk) -> None:
    job, other = (client.enqueue(MODEL, User, [says()]) for _ in range(2))
    desk.complete(job.id, (0, ANN))
    _, cursor = names(job)

    with pytest.raises(InvalidInputError, match=f"of job {job.id}, not of {other.id}"):
        other.iter_results(after=cursor)


def test_a_ledger_that_lost_what_was_read_says_so(client: BatchClient, desk: WorkerDesk) -> None:
    job = client.enqueue(MODEL, User, [says()] * 2)
    desk.answer(job.id, (0, ANN))

    with pytest.raises(LedgerError, match="Redis has lost outcomes"):
        next(job.iter_results(timeout_s=0, after=f"{job.id}:1-1"))


def test_pages_give_the_same_in_lists_with_the_cursor_behind_each(
    client: BatchClient, desk: WorkerDesk
) -> None:
    job = client.enqueue(MODEL, User, [says()] * 150)
    desk.answer(job.id, *((n, ANN) for n in range(100)))
    desk.complete(job.id, *((n, ANN) for n in range(100, 150)))
    stream = job.iter_results()
    first = next(stream).custom_id
    found, cursors = [], []
    for page in stream.pages():
        found.append([outcome.custom_id for outcome in page])
        cursors.append(stream.cursor)

    assert [first, *(name for page in found for name in page)] == [f"request-{n}" for n in range(150)]
    assert max(map(len, found)) <= 64
    assert names(job, after=cursors[-2])[0] == [name.removeprefix("request-") for name in found[-1]]
