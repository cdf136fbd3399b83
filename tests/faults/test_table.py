"""What the long run writes into the document."""

from __future__ import annotations

import pytest

from faults.checker import Count
from faults.memory import Growth
from faults.report import summary
from faults.table import BEGIN, END, Row, written_into

ROW = Row("1 kill", "openai", Count(60, 8, 2, 61, 1, 0, 120), seconds=33.4)
MB = 1_000_000


def test_a_row_shows_every_count_under_its_heading() -> None:
    text = summary([ROW], [], None, kills=8, seconds=90)

    assert "| 1 kill | openai | 60 | 8 | 2 | 61 | 1 | 0 | 120 | 33 |" in text
    assert "60 submissions, 8 SIGKILLs, 61 provider batches: **1 doubled, 0 lost**, 120 outcomes" in text
    assert "without a ledger" not in text


def test_the_script_and_the_memory_stand_beside_it() -> None:
    growth = Growth(1_000, [100 * MB, 102 * MB, 101 * MB, 300 * MB, 103 * MB, 104 * MB, 102 * MB])
    text = summary([ROW], [ROW], growth, kills=8, seconds=90)

    assert text.count("| 1 kill |") == 2
    assert "101.0 MB at first, 103.0 MB at last" in text


def test_a_text_is_put_between_the_markers_and_nowhere_else() -> None:
    document = f"before\n{BEGIN}\nold\n{END}\nafter\n"

    assert written_into(document, "new\n") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert written_into(written_into(document, "old"), "new") == written_into(document, "new")


def test_a_document_without_markers_is_left_alone() -> None:
    with pytest.raises(ValueError, match="lacks"):
        written_into("nothing here", "new")
