"""The harness of the public fault table, in real processes; a script by hand shows that the faults bite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peers.cases import CASES
from peers.oracle import Verdict
from peers.tools import BY_HAND, OURS
from peers.trial import run_trial

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 40
CASE = {case.name: case for case in CASES}


def test_a_script_by_hand_that_is_killed_while_submitting_pays_twice(tmp_path: Path) -> None:
    trial = run_trial(BY_HAND, CASE["submitting"], ROWS, tmp_path)

    assert trial.verdict == Verdict(answered=ROWS, reported=0, lost=0, hidden=0, paid_twice=ROWS)


def test_a_script_by_hand_that_raised_is_run_again_and_both_are_judged(tmp_path: Path) -> None:
    trial = run_trial(BY_HAND, CASE["u2028"], ROWS, tmp_path)

    assert trial.hint == "raised"
    assert "JSONDecodeError" in trial.end
    assert trial.verdict == Verdict(answered=0, reported=0, lost=ROWS, hidden=0, paid_twice=0)
    assert trial.again == Verdict(answered=0, reported=0, lost=ROWS, hidden=0, paid_twice=ROWS)


def test_batchline_killed_while_submitting_answers_all_and_pays_once(tmp_path: Path) -> None:
    trial = run_trial(OURS, CASE["submitting"], ROWS, tmp_path)

    assert trial.verdict == Verdict(answered=ROWS, reported=0, lost=0, hidden=0, paid_twice=0)
    assert trial.end == ""
    assert trial.again is None
