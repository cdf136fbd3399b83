"""A whole run: processes up, job, result printed, processes down, whatever happens in between."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rich.console import Console

from batchline import BatchClient
from batchline_ops.cli.exit_codes import ExitCode
from batchline_ops.demo.corpus import Corpus
from batchline_ops.demo.job_run import JobRun
from batchline_ops.demo.options import DemoOptions
from batchline_ops.demo.progress import live_progress
from batchline_ops.demo.report import print_kept, print_report
from batchline_ops.demo.stack import DataDir, stack_options
from batchline_ops.simulated import SIMULATED
from batchline_ops.supervisor import SupervisedStack
from batchline_shared.dialects.registry import dialect
from batchline_shared.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RunIn", "run_session"]

_LOOK_S: Final = 1.0
"""How often a stack that is kept is looked at."""

RunIn = Callable[[DataDir, DemoOptions, Console], bool]
"""Runs the demo in a directory; says whether every request has exactly one outcome."""


def run_session(options: DemoOptions, *, run_in: RunIn | None = None) -> int:
    """See `run_demo`.

    Args:
        options: What to run.
        run_in: Does the work; None: real processes.
    """
    notes = Console(stderr=True, highlight=False)
    try:
        with _stop_signals():
            return _run(options, notes, run_in or _run_in)
    except KeyboardInterrupt:
        notes.print("Interrupted, and stopped.", style="yellow")
        return ExitCode.INTERRUPTED


def _run(options: DemoOptions, notes: Console, run_in: RunIn) -> int:
    """Run in a directory, which stays for a look if something went wrong."""
    dialect(options.provider)  # names a provider that cannot be used, before anything starts
    data = DataDir(options.data_dir)
    worth_a_look = True
    try:
        exactly_once = run_in(data, options, notes)
        worth_a_look = not exactly_once
    except (KeyboardInterrupt, InvalidInputError):
        worth_a_look = False
        raise
    finally:
        if options.keep or worth_a_look or not data.temporary:
            notes.print(f"Data and logs stay in {data.path}", style="dim", markup=False, soft_wrap=True)
        else:
            data.remove()
    return ExitCode.OK if exactly_once else ExitCode.UNEXPECTED


def _run_in(data: DataDir, options: DemoOptions, notes: Console) -> bool:
    """Start everything, run the job, stop everything; say whether all is well."""
    corpus = Corpus()
    stack = SupervisedStack(stack_options(options, data.path))
    started = time.monotonic()
    try:
        with notes.status("Starting the server, workers, beat, Flower and the simulator …"):
            stack.start()
        start_s = time.monotonic() - started
        with BatchClient(stack.state.redis_url) as client, live_progress(notes, options.count) as live:
            run = JobRun(options, SIMULATED[options.provider].model, stack.state, client)
            summary = run.run(corpus.questions(options.count), live, start_s=start_s, data_dir=data.path)
        print_report(summary, run.tally.samples, packages=len(corpus.packages), as_json=options.as_json)
        if options.keep:
            print_kept(notes, summary)
            _wait_for_interrupt(stack)
    finally:
        # Also after a start that was interrupted: the supervisor may be there already.
        with notes.status("Stopping …"):
            stack.stop()
    return summary.exactly_once


def _wait_for_interrupt(stack: SupervisedStack) -> None:
    """Let the stack run until Ctrl-C.

    Raises:
        StackError: It ended by itself.
    """
    try:
        while stack.state is not None:
            time.sleep(_LOOK_S)
    except KeyboardInterrupt:
        return


@contextmanager
def _stop_signals() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end the run as Ctrl-C does: in order, and with nothing left."""
    old = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in old.items():
        if handler is not signal.SIG_IGN:  # `nohup` asks to outlive the terminal
            signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
