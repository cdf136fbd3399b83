"""What every provider's transport promises about the results of a batch, and about batches that fail."""

from __future__ import annotations

import gc
from collections import Counter
from contextlib import nullcontext
from typing import TYPE_CHECKING

import orjson
import pytest

from batchline_shared.errors import ProviderError, ProviderRejectedError, ProviderUnavailableError
from batchline_shared.outcomes import ErrorType
from batchline_worker.providers.base import BatchPhase
from contract.provider_bench import LIMIT_TOKENS, WIRINGS

if TYPE_CHECKING:
    from contract.provider_bench import Bench


ROWS = sorted({kind for wiring in WIRINGS.values() for kind in wiring.rows})


@pytest.mark.parametrize(
    "kind", ["truncated", "cut", "not_found", "drop_before", "bad_gateway", "rate_limit"]
)
def test_a_download_that_fails_can_be_made_again(kind: str, bench: Bench) -> None:
    batch = bench.finish("one", "two")
    whole = sorted(bench.provider.lines(batch))
    bench.arm("results", kind)

    with pytest.raises(ProviderError):
        list(bench.provider.lines(batch))

    assert sorted(bench.provider.lines(batch)) == whole


@pytest.mark.parametrize("kind", ["truncated", "cut"])
def test_a_truncated_download_is_no_telling_and_gives_out_whole_lines_only(kind: str, bench: Bench) -> None:
    batch = bench.finish(*(f"prompt {at}" for at in range(50)))
    whole = set(bench.provider.lines(batch))
    bench.arm("results", kind)
    seen: list[bytes] = []

    with pytest.raises(ProviderUnavailableError):
        # extend() keeps what came before the stream raised.
        seen.extend(bench.provider.lines(batch))

    assert set(seen) < whole


def test_the_input_is_shown_in_its_order_or_not_at_all(bench: Bench) -> None:
    batch = bench.finish(*(f"prompt {at}" for at in range(50)))

    shown = [orjson.loads(line)[bench.speech.id_field] for line in bench.provider.requests(batch)]

    assert shown == ([f"row-{at}" for at in range(50)] if bench.name in {"openai", "google"} else [])


def test_an_input_that_was_deleted_is_said_to_be_gone(bench: Bench) -> None:
    batch = bench.finish("one", "two")
    bench.provider.clean_up(file_id=batch.input_file_id or "", batch_id="")

    with pytest.raises(ProviderRejectedError) if bench.name in {"openai", "google"} else nullcontext():
        assert list(bench.provider.requests(batch)) == []


@pytest.mark.parametrize("kind", ["bom", "crlf", "blank_line"])
def test_odd_line_ends_make_no_difference(kind: str, bench: Bench) -> None:
    batch = bench.finish("one", "two", "three")
    plain = list(bench.provider.lines(batch))
    bench.arm("results", kind)

    assert list(bench.provider.lines(batch)) == plain


def test_a_line_separator_inside_a_string_does_not_split_its_line(bench: Bench) -> None:
    batch = bench.finish("[[fault:line_separator]] say many words", "two")

    lines = list(bench.provider.lines(batch))

    assert len(lines) == 2
    assert sum("\u2028".encode() in line for line in lines) == 1
    assert {bench.verdict(line) for line in lines} == {None}


def test_lines_with_answers_and_lines_with_errors_are_read(bench: Bench) -> None:
    batch = bench.finish("one", "[[fault:server_error]]", "three")

    lines = list(bench.provider.lines(batch))

    assert bench.ids(lines) == ["row-0", "row-1", "row-2"]
    assert (batch.completed, batch.failed) == (2, 1)
    assert len(batch.result_files) == bench.wiring.result_files


def test_results_that_are_read_slowly_stay_whole_whatever_the_collector_does(bench: Bench) -> None:
    batch = bench.finish(*(f"prompt {at}" for at in range(600)))
    lines = bench.provider.lines(batch)

    first = next(lines)
    gc.collect()  # a client that nobody holds is closed by it, with its connection

    assert len({first, *lines}) == 600


@pytest.mark.parametrize("kind", ROWS)
def test_every_way_in_which_a_request_ends_gets_its_name(kind: str, bench: Bench) -> None:
    if kind not in bench.wiring.rows:
        pytest.skip(f"no request of {bench.name} ends so")
    batch = bench.finish(f"[[fault:{kind}]] say many words")

    (line,) = bench.provider.lines(batch)

    assert bench.verdict(line) is bench.wiring.rows[kind]


def test_a_batch_in_which_every_request_failed_has_its_lines(bench: Bench) -> None:
    batch = bench.finish("[[fault:server_error]] one", "[[fault:bad_request]] two")

    verdicts = {bench.verdict(line) for line in bench.provider.lines(batch)}

    assert batch.phase is BatchPhase.COMPLETED
    assert verdicts == {ErrorType.PROVIDER_ERROR, ErrorType.INVALID_REQUEST}


def test_a_batch_that_has_no_output_file_has_its_lines(bench: Bench) -> None:
    bench.needs(batch_fault="all_failed")
    bench.arm("create", "all_failed")

    batch = bench.finish("one", "two")

    assert batch.phase is BatchPhase.COMPLETED
    assert None not in {bench.verdict(line) for line in bench.provider.lines(batch)}


def test_an_empty_file_id_is_no_file(bench: Bench) -> None:
    bench.needs(batch_fault="empty_error_file")
    bench.arm("create", "empty_error_file")

    batch = bench.finish("one", "two")

    assert len(list(bench.provider.lines(batch))) == 2


def test_a_batch_that_expired_has_what_was_finished_and_says_what_was_not(bench: Bench) -> None:
    bench.arm("create", "expire", fraction=0.5)

    batch = bench.finish("one", "two", "three", "four")
    kinds = [bench.verdict(line) for line in bench.provider.lines(batch)]

    assert batch.phase is BatchPhase.EXPIRED
    assert Counter(kinds) == Counter(bench.wiring.expired)


def test_a_file_that_the_provider_says_it_cannot_find_fails_the_batch_with_its_words(bench: Bench) -> None:
    bench.needs(batch_fault="cannot_find_file")
    bench.arm("create", "cannot_find_file")

    batch = bench.finish("one")

    assert batch.phase is BatchPhase.FAILED
    assert "Cannot find file" in batch.errors[0].message
    assert list(bench.provider.lines(batch)) == []


def test_a_full_queue_fails_the_batch_with_the_limit_in_tokens(bench: Bench) -> None:
    bench.needs(batch_fault="token_limit")

    batch = bench.finish("far too many words for so small a limit " * 50, model="limited")

    assert batch.phase is BatchPhase.FAILED
    assert batch.enqueued_limit_tokens == LIMIT_TOKENS


def test_cleaning_up_twice_leaves_nothing_to_read(bench: Bench) -> None:
    sent = bench.submission("one")
    batch = bench.ended(bench.provider.create(sent).id)

    for _ in range(2):
        bench.provider.clean_up(file_id=sent.file_id, batch_id=batch.id)

    with pytest.raises(ProviderError):
        list(bench.provider.lines(batch))


def test_cleaning_up_gets_over_one_failure(bench: Bench) -> None:
    sent = bench.submission("one")
    batch = bench.ended(bench.provider.create(sent).id)
    bench.arm("delete", "drop_after")

    bench.provider.clean_up(file_id=sent.file_id, batch_id=batch.id)

    with pytest.raises(ProviderError):
        list(bench.provider.lines(batch))


def test_cleaning_up_where_nothing_was_left_does_nothing(bench: Bench) -> None:
    before = len(bench.server.log())

    bench.provider.clean_up(file_id="", batch_id="")

    assert len(bench.server.log()) == before
