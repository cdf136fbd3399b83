"""What every provider's transport promises, checked against a server that drops, stalls and lies.

Calls about batches are here; `test_provider_results_contract.py` reads their results.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from batchline_shared.errors import (
    BatchlineError,
    ProviderAuthError,
    ProviderBusyError,
    ProviderRejectedError,
    ProviderUnavailableError,
)
from batchline_worker.providers.base import BatchPhase

if TYPE_CHECKING:
    from contract.provider_bench import Bench


def test_a_batch_goes_from_its_creation_to_a_line_for_each_request(bench: Bench) -> None:
    batch = bench.finish("one", "two", "three")

    lines = list(bench.provider.lines(batch))

    assert batch.phase is BatchPhase.COMPLETED
    assert (batch.total, batch.completed, batch.failed) == (3, 3, 0)
    assert bench.ids(lines) == ["row-0", "row-1", "row-2"]
    assert {bench.verdict(line) for line in lines} == {None}


def test_a_new_batch_has_an_id_and_a_time(bench: Bench) -> None:
    batch = bench.create()

    assert batch.id
    assert batch.created_at_s == pytest.approx(time.time(), abs=60)
    assert not batch.phase.is_final


def test_a_new_batch_bears_our_mark(bench: Bench) -> None:
    bench.needs(marks=True)

    assert bench.create(shard="shard-1").shard_id == "shard-1"


def test_a_new_batch_bears_the_mark_of_its_ledger(bench: Bench) -> None:
    bench.needs(marks=True)
    sent = replace(bench.submission(shard="shard-2"), ledger_id="0123456789abcdef")

    batch = bench.provider.create(sent)

    assert (batch.shard_id, batch.ledger_id) == ("shard-2", "0123456789abcdef")
    assert bench.create(shard="shard-3").ledger_id is None
    assert [(one.id, one.ledger_id) for one in bench.find(sent)] == [(batch.id, "0123456789abcdef")]


def test_all_batches_of_a_time_are_listed(bench: Bench) -> None:
    made = [bench.create(shard=f"listed-{n}").id for n in range(2)]

    listed = {batch.id: batch for page in bench.provider.listed(time.time() - 3600) for batch in page}

    assert set(made) <= set(listed)
    assert all(listed[one].created_at_s is not None for one in made)


def test_a_list_that_breaks_off_is_no_list(bench: Bench) -> None:
    bench.create()
    bench.arm("list", "unavailable", rate=1.0)

    with pytest.raises(ProviderUnavailableError):
        list(bench.provider.listed(time.time() - 3600))


def test_a_new_batch_names_the_file_that_it_runs(bench: Bench) -> None:
    bench.needs(files=True)
    sent = bench.submission()

    assert bench.provider.create(sent).input_file_id == sent.file_id


@pytest.mark.parametrize(
    ("fault", "expected", "accepted"),
    [
        ({"kind": "drop_before"}, ProviderUnavailableError, 0),
        ({"kind": "drop_after"}, ProviderUnavailableError, 1),
        ({"kind": "error_before", "should_retry": True}, ProviderUnavailableError, 0),
        ({"kind": "error_after", "should_retry": True}, ProviderUnavailableError, 1),
        ({"kind": "error_after", "status": 408}, ProviderUnavailableError, 1),
        ({"kind": "error_after", "status": 409}, ProviderUnavailableError, 1),
        ({"kind": "html"}, ProviderUnavailableError, 1),
        ({"kind": "bad_gateway"}, ProviderUnavailableError, 0),
        ({"kind": "unavailable", "retry_after": 0.1}, ProviderUnavailableError, 0),
        ({"kind": "delay_after", "seconds": 0.8}, ProviderUnavailableError, 1),
        ({"kind": "rate_limit", "retry_after": 0.1}, ProviderBusyError, 0),
        ({"kind": "quota"}, ProviderBusyError, 0),
        ({"kind": "unauthorized"}, ProviderAuthError, 0),
        ({"kind": "error_before", "status": 400}, ProviderRejectedError, 0),
    ],
    ids=str,
)
def test_a_create_is_sent_once_and_what_it_started_can_be_found(
    fault: dict[str, Any], expected: type[BatchlineError], accepted: int, bench: Bench
) -> None:
    sent = bench.submission(*bench.unlike_others(), shard=f"shard-{time.monotonic_ns()}")
    calls, batches = bench.count("create"), bench.accepted()
    # Armed nine times, so that a second request would fail too and be counted.
    bench.arm("create", **fault, times=9)

    with pytest.raises(expected) as raised:
        bench.hasty.create(sent)

    assert type(raised.value) is expected
    assert bench.count("create") == calls + 1
    assert bench.accepted() == batches + accepted
    assert len(bench.find(sent)) == accepted


def test_a_create_that_was_refused_can_be_made_again(bench: Bench) -> None:
    sent = bench.submission("one", "two")
    bench.arm("create", "rate_limit")
    with pytest.raises(ProviderBusyError):
        bench.provider.create(sent)

    batch = bench.ended(bench.provider.create(sent).id)

    assert bench.ids(bench.provider.lines(batch)) == ["row-0", "row-1"]


def test_an_account_without_credit_is_told_from_one_that_is_busy(bench: Bench) -> None:
    bench.arm("create", "quota")
    bench.arm("create", "rate_limit", retry_after=3, skip=1)
    codes = []
    for _ in range(2):
        with pytest.raises(ProviderBusyError) as raised:
            bench.create()
        codes.append((raised.value.code == "insufficient_quota", raised.value.retry_after_s))

    assert codes[0][0] is bench.wiring.tells_no_credit
    assert codes[1] == (False, 3.0)


@pytest.mark.parametrize("kind", ["drop_after", "error_after", "html", "rate_limit"])
def test_an_upload_is_sent_once(kind: str, bench: Bench) -> None:
    bench.needs(files=True)
    before = bench.count("upload")
    bench.arm("upload", kind, times=9)

    with pytest.raises((ProviderUnavailableError, ProviderBusyError)):
        bench.submission()

    assert bench.count("upload") == before + 1


def test_no_call_is_ever_repeated_by_the_sdk_itself(bench: Bench) -> None:
    assert {entry["retry_count"] for entry in bench.server.log()} <= {"0", None}


def test_a_batch_behind_more_than_a_page_of_others_is_found(bench: Bench) -> None:
    if bench.wiring.page > 200:
        pytest.skip(f"a page holds {bench.wiring.page} batches; a unit test reads several")
    needle = bench.submission(*bench.unlike_others(), shard="needle")
    mine = bench.provider.create(needle)
    hay = bench.submission(shard="hay")
    for _ in range(bench.wiring.page + 5):
        bench.provider.create(hay)

    found = bench.find(needle, since_s=time.time() - 600)
    listed = {batch.id for page in bench.provider.listed(time.time() - 600) for batch in page}

    assert [batch.id for batch in found] == [mine.id]
    assert mine.id in listed


def test_all_batches_of_a_shard_are_found_oldest_first(bench: Bench) -> None:
    sent = bench.submission(*bench.unlike_others(), shard="twice")
    first = bench.provider.create(sent)
    if bench.wiring.lists_whole_seconds:
        time.sleep(1.1)
    second = bench.provider.create(sent)

    assert [batch.id for batch in bench.find(sent)] == [first.id, second.id]


def test_a_batch_is_found_by_its_file_too(bench: Bench) -> None:
    bench.needs(files=True)
    sent = bench.submission(shard="elsewhere")
    batch = bench.provider.create(sent)

    found = bench.find(replace(sent, shard_id="other"))

    assert [remote.id for remote in found] == [batch.id]


def test_a_batch_that_lists_still_leave_out_is_found_later(bench: Bench) -> None:
    sent = bench.submission(*bench.unlike_others(), shard="late")
    bench.arm("create", "list_lag", seconds=0.5)
    bench.provider.create(sent)

    assert bench.find(sent) == []
    time.sleep(0.6)
    assert len(bench.find(sent)) == 1


def test_a_search_gets_over_one_failure_and_raises_after_many(bench: Bench) -> None:
    sent = bench.submission(*bench.unlike_others(), shard="kept")
    bench.provider.create(sent)
    bench.arm("list", "drop_before")
    assert len(bench.find(sent)) == 1

    bench.arm("list", "bad_gateway", times=9)
    with pytest.raises(ProviderUnavailableError):
        bench.find(sent)


def test_a_batch_that_the_provider_does_not_know_is_rejected(bench: Bench) -> None:
    for call in (bench.provider.poll, bench.provider.cancel):
        with pytest.raises(ProviderRejectedError):
            call("batch_nonexistent")


def test_many_batches_are_polled_and_unknown_ones_left_out(bench: Bench) -> None:
    ids = {bench.create().id for _ in range(6)}
    before = len(bench.server.log())

    found = bench.provider.poll_many([*ids, "batch_nonexistent"])

    assert set(found) == ids
    if bench.wiring.polls_in_pages:
        assert len(bench.server.log()) - before < len(ids)


def test_a_status_that_is_new_is_unknown_and_passes(bench: Bench) -> None:
    batch = bench.finish()
    bench.arm("retrieve", "unknown_status", value="archiving")

    odd = bench.provider.poll(batch.id)

    assert (odd.status, odd.phase) == ("archiving", BatchPhase.UNKNOWN)
    assert bench.provider.poll(batch.id).phase is BatchPhase.COMPLETED


def test_missing_counts_are_zeros(bench: Bench) -> None:
    batch = bench.finish()
    bench.arm("retrieve", "missing_counts")

    assert bench.provider.poll(batch.id).total == 0


def test_cancelling_can_be_repeated_and_leaves_an_ended_batch_as_it_is(bench: Bench) -> None:
    bench.arm("create", "stuck", value=bench.wiring.running)
    batch = bench.create()
    done = bench.finish()

    first, second = bench.provider.cancel(batch.id), bench.provider.cancel(batch.id)

    assert {first.phase, second.phase} <= {BatchPhase.CANCELLING, BatchPhase.CANCELLED}
    assert bench.ended(batch.id).phase is BatchPhase.CANCELLED
    assert bench.provider.cancel(done.id).phase is BatchPhase.COMPLETED
