"""The fault table counts every row once, and believes nothing that the simulator's books do not bear out."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from peers.cases import CASES
from peers.environments import LOCKS
from peers.oracle import UntrueBooksError, Verdict, check_books, judged, read_paid, read_told
from peers.questions import answer, number_in, prompts, said_of
from peers.results import Result, Results
from peers.table import BEGIN, END, cell, page_text, table, write_between
from peers.tools import BY_HAND, PEERS, TOOLS

ROOT = Path(__file__).parents[4]
LINE_SEPARATOR = "\u2028"


def batch(phase: str = "completed", completed: int = 0, failed: int = 0) -> dict[str, Any]:
    return {"phase": phase, "request_counts": {"completed": completed, "failed": failed}}


def result(tool: str, fault: str, verdict: Verdict, **changes: Any) -> Result:
    fields: dict[str, Any] = {"version": None, "date": "2026-11-26", "rows": 1_000, "seconds": 1.0}
    return Result(tool=tool, fault=fault, verdict=verdict, **{**fields, "hint": "", "end": "", **changes})


@pytest.mark.parametrize("raised", [False, True], ids=["ended", "raised"])
def test_every_row_is_counted_in_one_place(*, raised: bool) -> None:
    paid = Counter({0: 1, 1: 2, 2: 1})

    verdict = judged(6, paid, {0, 1}, {2, 3}, raised=raised)

    assert verdict.answered + verdict.reported + verdict.lost + verdict.hidden == 6


def test_a_paid_answer_that_the_user_does_not_have_is_lost_though_the_tool_names_the_row() -> None:
    assert judged(1, Counter({0: 1}), set(), {0}, raised=False) == Verdict(0, 0, 1, 0, 0)


def test_a_row_that_nobody_speaks_of_is_hidden() -> None:
    assert judged(3, Counter({0: 1}), {0}, {1}, raised=False) == Verdict(1, 1, 0, 1, 0)


def test_a_tool_that_ends_in_an_error_hides_no_row() -> None:
    assert judged(2, Counter(), set(), set(), raised=True) == Verdict(0, 2, 0, 0, 0)


def test_each_answer_beyond_the_first_of_a_row_is_paid_twice() -> None:
    assert judged(2, Counter({0: 3, 1: 2}), {0, 1}, set(), raised=False).paid_twice == 3


def test_a_row_that_failed_and_is_told_to_have_gone_well_is_hidden() -> None:
    told_without_answer: set[int] = set()

    assert judged(1, Counter(), told_without_answer, set(), raised=False).hidden == 1


def test_only_the_answer_to_its_own_question_counts(tmp_path: Path) -> None:
    lines = [
        {"row": 1, "answer": answer(1)},
        {"row": 2, "answer": answer(3)},
        {"row": 4, "error": "HTTP 500"},
    ]
    report = tmp_path / "told.jsonl"
    report.write_text("".join(f"{json.dumps(line)}\n" for line in lines))

    assert read_told(report) == ({1}, {4})


def test_a_tool_that_told_nothing_has_answered_nothing(tmp_path: Path) -> None:
    assert read_told(tmp_path / "missing") == (set(), set())
    assert read_paid(tmp_path / "missing") == Counter()


def test_the_ledger_counts_each_answer(tmp_path: Path) -> None:
    (tmp_path / "answered.txt").write_text("7\n8\n7\n")

    assert read_paid(tmp_path / "answered.txt") == Counter({7: 2, 8: 1})


def test_books_that_do_not_add_up_give_no_figure() -> None:
    with pytest.raises(UntrueBooksError, match="count 2 answers, its ledger 1"):
        check_books(Counter({0: 1}), [batch(completed=2)], None)


@pytest.mark.parametrize("mark", ["failed batch", "expired batch", "failed rows"])
def test_a_fault_that_has_not_struck_gives_no_figure(mark: str) -> None:
    with pytest.raises(UntrueBooksError, match=f"no {mark}, only completed batch"):
        check_books(Counter({0: 1}), [batch(completed=1)], mark)


def test_a_fault_is_known_by_its_mark() -> None:
    batches = [batch("failed"), batch("expired", failed=1)]

    for mark in ("failed batch", "expired batch", "failed rows"):
        check_books(Counter(), batches, mark)


@pytest.mark.parametrize("key", ["messages", "input"])
def test_a_question_is_known_in_every_form_of_request(key: str) -> None:
    (*_, prompt) = prompts(18, "[[fault:server_error:1]]", 17)

    assert number_in({"model": "any", key: [{"role": "user", "content": prompt}]}) == 17
    assert number_in({key: "another one"}) is None


def test_each_so_many_th_prompt_is_marked() -> None:
    marked = [number for number, prompt in enumerate(prompts(10, "[[fault:refusal]]", 4)) if "[[" in prompt]

    assert marked == [0, 4, 8]
    assert not any("[[" in prompt for prompt in prompts(10))


def test_an_answer_with_a_line_separator_in_it_is_an_answer() -> None:
    assert said_of(answer(5).replace("it comes", f"it{LINE_SEPARATOR}comes")) == 5
    assert said_of("Certainly!") is None


def test_a_cell_says_the_bad_in_bold() -> None:
    assert cell(result("by-hand", "rows", Verdict(1000, 0, 0, 0, 0))) == "1,000 answered"
    assert cell(result("by-hand", "rows", Verdict(900, 40, 30, 30, 1000))) == (
        "900 answered, 40 reported failed, **30 lost**, **30 hidden**, **1,000 paid twice**"
    )


def test_a_cell_says_what_became_of_a_script_that_raised_and_was_run_again() -> None:
    raised = result(
        "by-hand", "u2028", Verdict(0, 20, 80, 0, 0), hint="raised", again=Verdict(100, 0, 0, 0, 9)
    )

    assert cell(raised) == (
        "0 answered, 20 reported failed, **80 lost** (raised); run again: 100 answered, **9 paid twice**"
    )


def test_a_fault_that_was_not_run_is_said_to_be_missing(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.jsonl")
    results.put(result("by-hand", CASES[0].name, Verdict(1, 0, 0, 0, 0)))

    *_, row = table(results).splitlines()

    assert row == f"| a script by hand | 1 answered{' | n/a' * (len(CASES) - 1)} |"


def test_what_was_measured_is_kept_until_it_is_measured_anew(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    verdict = Verdict(1, 0, 0, 0, 0)
    first = result("by-hand", CASES[0].name, verdict)
    second = result("by-hand", CASES[0].name, verdict, hint="raised", again=Verdict(2, 0, 0, 0, 0))

    Results(file).put(first)
    assert Results(file).get(BY_HAND, CASES[0]) == first
    Results(file).put(second)
    assert Results(file).get(BY_HAND, CASES[0]) == second
    Results(file).drop(BY_HAND, CASES[0])
    assert Results(file).get(BY_HAND, CASES[0]) is None


def test_a_row_bears_the_version_that_was_measured(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.jsonl")
    results.put(result(PEERS[0].name, CASES[0].name, Verdict(1, 0, 0, 0, 0), version="0.0.1"))

    assert f"| {PEERS[0].title} 0.0.1 | 1 answered |" in table(results)


def test_the_page_says_of_when_and_how_large_its_table_is(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.jsonl")
    assert page_text(results).startswith("nothing measured yet: ")
    for case, day, rows in ((CASES[0], "2026-11-26", 1_000), (CASES[1], "2026-11-25", 200)):
        results.put(result("by-hand", case.name, Verdict(1, 0, 0, 0, 0), date=day, rows=rows))

    assert page_text(results).startswith("2026-11-25 to 2026-11-26: 200 to 1,000 rows, ")


def test_the_published_table_is_the_one_of_the_kept_results() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text()
    results = Results(ROOT / "ops" / "peers" / "results.jsonl")

    assert page.partition(BEGIN)[2].partition(END)[0].strip() == page_text(results)
    assert "n/a" not in table(results)


@pytest.mark.parametrize("tool", PEERS, ids=lambda tool: tool.name)
def test_what_is_published_of_a_peer_is_of_the_version_in_its_lock(tool: Any) -> None:
    results = Results(ROOT / "ops" / "peers" / "results.jsonl")

    assert {kept.version for case in CASES if (kept := results.get(tool, case))} == {tool.version}


def test_the_table_replaces_what_was_between_the_markers_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "reliability.md"
    page.write_text(f"# Ours\n\n{BEGIN}\nold\n{END}\n\nmore\n")

    write_between(page, "new")
    write_between(page, "newer")

    assert page.read_text() == f"# Ours\n\n{BEGIN}\nnewer\n{END}\n\nmore\n"


def test_a_page_without_markers_gets_them_at_its_end(tmp_path: Path) -> None:
    page = tmp_path / "reliability.md"
    page.write_text("# Ours\n\ntext\n")

    write_between(page, "table")

    assert page.read_text() == f"# Ours\n\ntext\n\n{BEGIN}\ntable\n{END}\n"


def test_a_page_with_one_marker_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "reliability.md"
    page.write_text(f"# Ours\n{END}\n")

    with pytest.raises(ValueError, match="must have"):
        write_between(page, "table")
    assert page.read_text() == f"# Ours\n{END}\n"


@pytest.mark.parametrize("tool", PEERS, ids=lambda tool: tool.name)
def test_every_peer_is_pinned_with_hashes_and_names_its_source(tool: Any) -> None:
    lock = (LOCKS / f"{tool.name}.lock").read_text()
    driver = LOCKS.parent / "drivers" / f"{tool.name.replace('-', '_')}.py"

    assert tool.version
    assert lock.count("==") >= 1
    assert re.findall(r"^[\w.\[\]-]+==(?!.*\\$)", lock, re.MULTILINE) == [], "a package without a hash"
    assert "://" not in lock
    assert re.match(r'""".*(README|docstring)', driver.read_text())


def test_a_table_has_ourselves_four_peers_and_a_baseline() -> None:
    assert next(iter(TOOLS)) == "batchline"
    assert len(PEERS) >= 4
    assert "by-hand" in TOOLS
