"""Faults: which are accepted, when calls draw them, which rows they hit."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from batchline_simulator.answer_faults import broken_answer
from batchline_simulator.database import Database
from batchline_simulator.faults import (
    BATCH_KINDS,
    CALLS,
    CONTENT_KINDS,
    FAULT_LIST,
    REPLY_KINDS,
    Fault,
    FaultBoard,
    faults_from_file,
    faults_from_rates,
    kinds_of,
)
from batchline_simulator.responder import Answer, Question
from batchline_simulator.row_faults import ANSWER_KINDS, RowFaults

QUESTION = Question("r", {}, b"{}", {"type": "object", "required": ["a"]})
ANSWER = Answer('{"a":"two words"}')


@pytest.mark.parametrize(
    "wrong",
    [
        {"call": "batches.created", "kind": "drop_after"},
        {"call": "batches.list", "kind": "expire"},
        {"call": "batches.create", "kind": "shifting_pages"},
        {"call": "row", "kind": "refusal", "times": 2},
        {"call": "row", "kind": "refusal", "match": "row-1"},
        {"call": "row", "kind": "refusal", "often": 2},
    ],
    ids=["call", "kind of another call", "list's kind", "times for rows", "path of rows", "unknown field"],
)
def test_wrong_fault_is_refused_when_it_is_armed(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FAULT_LIST.validate_python([wrong])


def test_fault_without_a_rate_strikes_once() -> None:
    board = FaultBoard([Fault(call="files.list", kind="html")], seed=0)

    assert [set(board.draw("files.list")) for _ in range(3)] == [{"html"}, set(), set()]


def test_fault_with_a_part_of_a_path_strikes_calls_of_that_path_only() -> None:
    board = FaultBoard([Fault(call="files.content", kind="html", match="file-2")], seed=0)

    assert board.draw("files.content", "/v1/files/file-1/content") == {}
    assert set(board.draw("files.content", "/v1/files/file-2/content")) == {"html"}


def test_fault_with_a_rate_never_wears_out() -> None:
    board = FaultBoard(faults_from_rates([("files.list.html", 1.0)]), seed=0)

    assert all(board.draw("files.list") for _ in range(20))


def test_skipped_calls_go_well_first() -> None:
    board = FaultBoard([Fault(call="files.list", kind="html", skip=2, times=1)], seed=0)

    assert [bool(board.draw("files.list")) for _ in range(4)] == [False, False, True, False]


def test_spent_fault_is_listed_no_more() -> None:
    board = FaultBoard([Fault(call="files.list", kind="html", times=2)], seed=0)
    board.draw("files.list")
    listed_between = board.listed()
    board.draw("files.list")

    assert listed_between == [{"call": "files.list", "kind": "html", "times": 2, "struck": 1}]
    assert board.listed() == []


def test_faults_of_a_file_are_read(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    file.write_text('[{"call": "batches.create", "kind": "expire", "fraction": 0.25}]')

    assert faults_from_file(file) == [Fault(call="batches.create", kind="expire", fraction=0.25)]


def rows(database: Database, batch_id: str, **rates: float) -> RowFaults:
    return RowFaults(database, rates, batch_id=batch_id, seed=0)


def test_marker_strikes_every_time(tmp_path: Path) -> None:
    database = Database(tmp_path / "d")
    line = b"... [[fault:refusal]] ..."

    assert {rows(database, str(n)).draw("r", line, line) for n in range(3)} == {"refusal"}
    database.close()


def test_counted_marker_strikes_the_first_batches_with_that_body(tmp_path: Path) -> None:
    database = Database(tmp_path / "d")
    line = b"... [[fault:server_error:2]] ..."
    first = [rows(database, str(n)).draw(f"r{n}", line, line) for n in range(4)]
    again = [rows(database, str(n)).draw(f"r{n}", line, line) for n in range(4)]

    assert first == ["server_error", "server_error", None, None]
    assert again == first, "a batch that is executed again draws what it drew before"
    database.close()


@pytest.mark.parametrize(
    ("field", "role"), [("messages", "assistant"), ("input", "assistant"), ("contents", "model")]
)
def test_marker_that_waits_to_be_told_strikes_until_the_conversation_holds_as_many_answers(
    tmp_path: Path, field: str, role: str
) -> None:
    database = Database(tmp_path / "d")
    turns = [{"role": "user", "content": "[[fault:not_json:told:2]]"}]
    drawn: list[str | None] = []
    for number in range(4):
        body = json.dumps({field: turns}).encode()
        drawn.append(rows(database, str(number)).draw("r", body, body))
        turns += [{"role": role}, {"role": "user"}]

    assert drawn == ["not_json", "not_json", None, None]
    database.close()


def test_rate_hits_about_that_part_of_the_rows_and_always_the_same(tmp_path: Path) -> None:
    database = Database(tmp_path / "d")
    drawn = [rows(database, "b", refusal=0.1, length=0.2).draw(f"r{n}", b"", b"") for n in range(2000)]
    again = [rows(database, "b", refusal=0.1, length=0.2).draw(f"r{n}", b"", b"") for n in range(2000)]

    assert drawn == again
    assert 140 < drawn.count("refusal") < 260
    assert 320 < drawn.count("length") < 480
    database.close()


@pytest.mark.parametrize("kind", sorted(ANSWER_KINDS))
def test_every_answer_fault_changes_the_answer(kind: str) -> None:
    assert broken_answer(kind, QUESTION, ANSWER) != ANSWER


def test_line_separator_leaves_the_json_valid() -> None:
    assert broken_answer("line_separator", QUESTION, ANSWER).text == '{"a":"two\u2028words"}'


@pytest.mark.parametrize("noun", ["batches", "anthropic.batches", "vertex.batches", "gemini.batches"])
def test_batches_of_every_provider_know_the_same_kinds(noun: str) -> None:
    for verb in ("create", "retrieve", "list", "cancel"):
        assert kinds_of(f"{noun}.{verb}") == kinds_of(f"batches.{verb}")


@pytest.mark.parametrize(
    "call", ["files.content", "anthropic.batches.results", "gemini.files.content", "gcs.objects.content"]
)
def test_whatever_is_downloaded_can_be_spoiled(call: str) -> None:
    assert kinds_of(call) >= CONTENT_KINDS
    assert not REPLY_KINDS & kinds_of(call)


def test_only_the_creation_of_a_batch_settles_its_life() -> None:
    settling = {call for call in CALLS if BATCH_KINDS & kinds_of(call)}

    assert settling == {"batches.create", *(f"{p}.batches.create" for p in ("anthropic", "gemini", "vertex"))}
