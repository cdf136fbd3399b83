"""The harness of the public fault table, in real processes; a script by hand shows that the faults bite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from peers.cases import CASES
from peers.oracle import Verdict
from peers.tools import BY_HAND, OURS
from peers.trial import run_trial

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 40
CASE = {case.name: case for case in CASES}


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("submitting", Verdict(answered=40, reported=0, lost=0, hidden=0, paid_twice=40)),
        ("expired", Verdict(answered=32, reported=0, lost=0, hidden=8, paid_twice=0)),
        ("u2028", Verdict(answered=0, reported=0, lost=40, hidden=0, paid_twice=0)),
    ],
)
def test_a_script_by_hand_pays_twice_and_loses_rows(name: str, verdict: Verdict, tmp_path: Path) -> None:
    assert run_trial(BY_HAND, CASE[name], ROWS, tmp_path).verdict == verdict


def test_batchline_killed_while_submitting_answers_all_and_pays_once(tmp_path: Path) -> None:
    trial = run_trial(OURS, CASE["submitting"], ROWS, tmp_path)

    assert trial.verdict == Verdict(answered=ROWS, reported=0, lost=0, hidden=0, paid_twice=0)
    assert trial.end == ""
    assert trial.again is None
