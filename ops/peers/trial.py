"""One tool under one fault: a fresh simulator, the tool's script in a process of its own, and the verdict."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from batchline_simulator import SimulatorConfig, running_simulator
from batchline_simulator.phases import FINAL
from peers.crowd import Crowd, token_limit
from peers.oracle import Verdict, check_books, judged, read_paid, read_told
from peers.responder import LEDGER
from peers.script import NoMomentError, Script
from peers.stack import running_stack
from peers.tools import OURS

if TYPE_CHECKING:
    from batchline_simulator import SimulatorProcess
    from peers.cases import Case
    from peers.tools import Tool

__all__ = ["Trial", "run_trial"]

_SPEED: Final = 2.0
"""A batch takes four seconds."""
_LIMIT_S: Final = 300.0
"""Longest time that one run of a tool's script is given."""
_CROWDED_S: Final = 5.0
"""How long the crowd stays after the first refusal."""
_LOOK_S: Final = 0.05
_RUNNING_S: Final = 1.0
"""How long a batch has run when its owner is killed: its create has long been answered."""


@dataclass(frozen=True)
class Trial:
    """What came of it."""

    verdict: Verdict
    seconds: float
    end: str
    """Why the script's last run ended, where not in order: its last words, or that it did not end."""
    hint: str
    """The same in a word, for the table."""
    again: Verdict | None
    """What came of it when a script that had ended in an error was run once more; None: there was no need."""


def run_trial(tool: Tool, case: Case, rows: int, folder: Path) -> Trial:
    """Put a tool through a fault.

    Args:
        tool: What is run.
        case: What goes wrong.
        rows: Requests of the job.
        folder: An empty one, for everything that is written.

    Raises:
        UntrueBooksError: No figure of it can be trusted.
        NoMomentError: There was nothing to kill it at.
    """
    ledger = folder / "answered.txt"
    config = SimulatorConfig(
        data_dir=folder / "simulator",
        speed=_SPEED,
        responder="peers.responder:reply",
        token_limit=token_limit(rows) if case.crowded else {},
    )
    with ExitStack() as stack:
        # The simulator's process takes it over, and with it the responder.
        os.environ[LEDGER] = str(ledger)
        stack.callback(os.environ.pop, LEDGER)
        simulator = stack.enter_context(running_simulator(config, search_path=[Path(__file__).parents[1]]))
        provider = {"OPENAI_BASE_URL": simulator.base_url, "OPENAI_API_KEY": "simulated"}
        own = stack.enter_context(running_stack(folder / "stack", provider)) if tool is OURS else None
        crowd = Crowd(simulator, rows) if case.crowded else None
        simulator.arm(*case.armed)
        script = Script(tool, case, rows, folder / "home", own.environment if own else provider)
        stack.callback(script.end)
        started = time.monotonic()
        script.start()
        if case.kill:
            _await_moment(simulator, case, script)
            script.kill()
            if own is not None:
                own.kill_worker()
            script.start()
        if crowd is not None:
            _leave_after_refusal(simulator, crowd, script)
        end = script.wait(_LIMIT_S)
        seconds = time.monotonic() - started
        verdict = _verdict(simulator, crowd, case, script, ledger)
        if not script.raised:
            return Trial(verdict, seconds, end, "hung" if end else "", None)
        script.start()
        script.wait(_LIMIT_S)
        return Trial(verdict, seconds, end, "raised", _verdict(simulator, crowd, case, script, ledger))


def _verdict(
    simulator: SimulatorProcess, crowd: Crowd | None, case: Case, script: Script, ledger: Path
) -> Verdict:
    """Judge what has come of it by now, once every batch has ended."""
    batches = _ended(simulator, crowd)
    paid = read_paid(ledger)
    check_books(paid, batches, case.mark)
    answered, failed = read_told(script.report)
    return judged(script.rows, paid, answered, failed, raised=script.raised)


def _await_moment(simulator: SimulatorProcess, case: Case, script: Script) -> None:
    """Wait until the tool is where it is to be killed.

    Raises:
        NoMomentError: It never got there.
    """
    deadline = time.monotonic() + _LIMIT_S
    while script.runs and time.monotonic() < deadline:
        batches = simulator.batches()
        if case.kill == "submitting" and batches:
            return
        if any(batch["phase"] == "running" for batch in batches):
            time.sleep(_RUNNING_S)
            return
        time.sleep(_LOOK_S)
    raise NoMomentError(f"no batch to kill the script at: {script.wait(1)}")


def _leave_after_refusal(simulator: SimulatorProcess, crowd: Crowd, script: Script) -> None:
    """Free the tokens a while after the first batch was refused for them, or when the script has ended."""
    deadline = time.monotonic() + _LIMIT_S
    while script.runs and time.monotonic() < deadline:
        if any(batch["phase"] == "failed" for batch in simulator.batches()):
            time.sleep(_CROWDED_S)
            break
        time.sleep(_LOOK_S)
    crowd.go()


def _ended(simulator: SimulatorProcess, crowd: Crowd | None) -> list[dict[str, Any]]:
    """Every batch of the tool, once all have ended: what an orphan still answers is billed too."""
    deadline = time.monotonic() + _LIMIT_S
    own = None if crowd is None else crowd.batch_id
    while True:
        batches = [batch for batch in simulator.batches() if batch["id"] != own]
        if all(batch["phase"] in FINAL for batch in batches) or time.monotonic() > deadline:
            return batches
        time.sleep(_LOOK_S)
