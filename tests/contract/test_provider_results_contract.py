"""What every provider's transport promises about the results of a batch, and about batches that fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from batchline_shared.errors import ProviderError, ProviderUnavailableError
from batchline_shared.outcomes import ErrorType
from batchline_worker.providers.base import BatchPhase
from contract.provider_bench import LIMIT_TOKENS

if TYPE_CHECKING:
    from contract.provider_bench import Bench


@pytest.mark.parametrize(
    "kind", ["truncated", "cut", "not_found", "drop_before", "bad_gateway", "rate_limit"]
)
def test_a_download_that_fails_can_be_made_again(kind: str, bench: Bench) -> None:
    batch = bench.finish("one", "two")
    whole = sorted(bench.provider.lines(batch))
    bench.server.arm({"call": "files.content", "kind": kind})

    with pytest.raises(ProviderError):
        list(bench.provider.lines(batch))

    assert sorted(bench.provider.lines(batch)) == whole


@pytest.mark.parametrize("kind", ["truncated", "cut"])
def test_a_truncated_download_is_no_telling_and_gives_out_whole_lines_only(kind: str, bench: Bench) -> None:
    batch = bench.finish(*(f"prompt {at}" for at in range(50)))
    whole = set(bench.provider.lines(batch))
    bench.server.arm({"call": "files.content", "kind": kind})
    seen: list[bytes] = []

    with pytest.raises(ProviderUnavailableError):
        # extend() keeps what came before the stream raised.
        seen.extend(bench.provider.lines(batch))

    assert set(seen) < whole


@pytest.mark.parametrize("kind", ["bom", "crlf", "blank_line"])
def test_odd_line_ends_make_no_difference(kind: str, bench: Bench) -> None:
    batch = bench.finish("one", "two", "three")
    plain = list(bench.provider.lines(batch))
    bench.server.arm({"call": "files.content", "kind": kind})

    assert list(bench.provider.lines(batch)) == plain


def test_a_line_separator_inside_a_string_does_not_split_its_line(bench: Bench) -> None:
    batch = bench.finish("[[fault:line_separator]] say many words", "two")

    lines = list(bench.provider.lines(batch))

    assert len(lines) == 2
    assert sum("\u2028".encode() in line for line in lines) == 1
    assert all(orjson.loads(line) for line in lines)


def test_both_result_files_are_read(bench: Bench) -> None:
    batch = bench.finish("one", "[[fault:server_error]]", "three")

    names = sorted(orjson.loads(line)["custom_id"] for line in bench.provider.lines(batch))

    assert names == ["row-0", "row-1", "row-2"]
    assert (batch.completed, batch.failed) == (2, 1)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("bad_request", ErrorType.INVALID_REQUEST),
        ("rate_limit", ErrorType.RATE_LIMITED),
        ("insufficient_quota", ErrorType.QUOTA_EXHAUSTED),
        ("server_error", ErrorType.PROVIDER_ERROR),
        ("status_zero", ErrorType.PROVIDER_ERROR),
        ("refusal", ErrorType.REFUSED),
        ("length", ErrorType.TRUNCATED),
        ("content_filter", ErrorType.CONTENT_FILTERED),
        ("line_separator", None),
    ],
)
def test_every_way_in_which_a_request_ends_gets_its_name(
    kind: str, expected: ErrorType | None, bench: Bench
) -> None:
    batch = bench.finish(f"[[fault:{kind}]]")

    (line,) = bench.provider.lines(batch)

    assert bench.verdict(orjson.loads(line)) is expected


def test_a_batch_in_which_every_request_failed_has_its_lines(bench: Bench) -> None:
    bench.server.arm({"call": "batches.create", "kind": "all_failed"})

    batch = bench.finish("one", "two")

    assert batch.phase is BatchPhase.COMPLETED
    assert None not in {bench.verdict(orjson.loads(line)) for line in bench.provider.lines(batch)}


def test_an_empty_file_id_is_no_file(bench: Bench) -> None:
    bench.server.arm({"call": "batches.create", "kind": "empty_error_file"})

    batch = bench.finish("one", "two")

    assert len(list(bench.provider.lines(batch))) == 2


def test_a_batch_that_expired_has_what_was_finished_and_says_what_was_not(bench: Bench) -> None:
    bench.server.arm({"call": "batches.create", "kind": "expire", "fraction": 0.5})

    batch = bench.finish("one", "two", "three", "four")
    kinds = [bench.verdict(orjson.loads(line)) for line in bench.provider.lines(batch)]

    assert batch.phase is BatchPhase.EXPIRED
    assert set(kinds) == {None, ErrorType.EXPIRED}
    assert len(kinds) == 4


def test_a_file_that_the_provider_says_it_cannot_find_fails_the_batch_with_its_words(bench: Bench) -> None:
    bench.server.arm({"call": "batches.create", "kind": "cannot_find_file"})

    batch = bench.finish("one")

    assert batch.phase is BatchPhase.FAILED
    assert "Cannot find file" in batch.errors[0].message
    assert list(bench.provider.lines(batch)) == []


def test_a_full_queue_fails_the_batch_with_the_limit_in_tokens(bench: Bench) -> None:
    batch = bench.finish("far too many words for so small a limit " * 50, model="limited")

    assert batch.phase is BatchPhase.FAILED
    assert batch.enqueued_limit_tokens == LIMIT_TOKENS


def test_deleting_a_file_twice_is_done_twice(bench: Bench) -> None:
    file_id = bench.upload()

    bench.provider.delete_file(file_id)
    bench.provider.delete_file(file_id)


def test_a_file_whose_deletion_fails_once_is_deleted_all_the_same(bench: Bench) -> None:
    file_id = bench.upload()
    bench.server.arm({"call": "files.delete", "kind": "drop_after"})

    bench.provider.delete_file(file_id)
