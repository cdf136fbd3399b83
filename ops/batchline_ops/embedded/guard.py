"""How a child process learns that its parent has died, even by `kill -9`.

This file is a module (`guarded`) and also the launcher that a guarded command
starts with: it arranges the parting signal, then becomes the command (`exec`), so
that the child keeps its process id.

* Linux: `prctl(PR_SET_PDEATHSIG)`, set by the launcher itself. A `preexec_fn`
  would run Python between fork and exec, which can deadlock in a threaded parent.
* Elsewhere, and where the parent is a thread: the kernel would send that signal
  when the *thread* ends. There a small watcher process waits for the end of a pipe
  that only the parent holds open.
"""

from __future__ import annotations

import os
import select
import signal
import sys

TYPE_CHECKING = False  # the launcher runs without site-packages and starts faster without `typing`
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["GuardedCommand", "guarded"]

_PR_SET_PDEATHSIG = 1
"""From <linux/prctl.h>."""

_pipes: dict[int, tuple[int, int]] = {}
"""This process's pipe (read end, write end) under its own id: a forked copy must make its own."""


class GuardedCommand:
    """A command that ends when its parent does."""

    def __init__(self, command: tuple[str, ...], pass_fds: tuple[int, ...]) -> None:
        """Keep what `subprocess.Popen` needs."""
        self.command = command
        self.pass_fds = pass_fds
        """Must be given to `Popen`, with the caller's own."""


def guarded(command: Sequence[str], *, on_parent_death: int, use_pipe: bool | None = None) -> GuardedCommand:
    """Wrap a command so that its process gets a signal when this process dies.

    Args:
        command: What to run; its process id is the one that `Popen` returns.
        on_parent_death: SIGTERM for what must save its state, SIGKILL for the rest.
        use_pipe: Force the pipe (True) or the kernel's signal (False); None picks.
    """
    if use_pipe is None:
        import threading  # noqa: PLC0415 - the launcher does without

        use_pipe = sys.platform != "linux" or threading.current_thread() is not threading.main_thread()
    read_end = _lifeline() if use_pipe else -1
    options = (str(os.getpid()), str(int(on_parent_death)), str(read_end))
    script = os.path.abspath(__file__)  # noqa: PTH100 - the launcher does without pathlib
    launcher = (sys.executable, "-I", "-S", script)
    return GuardedCommand((*launcher, *options, *command), (read_end,) if use_pipe else ())


def _lifeline() -> int:
    """The read end of a pipe whose write end closes when this process ends, and not before."""
    if os.getpid() not in _pipes:
        _pipes[os.getpid()] = os.pipe()
    return _pipes[os.getpid()][0]


def _launch(parent: int, parting_signal: int, read_end: int, command: list[str]) -> None:
    """Arrange the signal, then become the command."""
    if read_end >= 0:
        _start_watcher(parting_signal, read_end)
    else:
        import ctypes  # noqa: PLC0415 - only Linux needs it

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, parting_signal)
        if os.getppid() != parent:  # it died before the signal was arranged
            sys.exit(1)
    try:
        os.execvp(command[0], command)  # noqa: S606 - no shell is the point
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]}: {error.strerror}\n")
        sys.exit(127)


def _start_watcher(parting_signal: int, read_end: int) -> None:
    """Fork a process that signals the command when the parent's pipe ends.

    The watcher leaves by itself within a second of the command's own end.
    """
    guarded_pid = os.getpid()
    if os.fork():
        os.close(read_end)
        return
    os.setsid()
    _close_all_but(read_end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while os.getppid() == guarded_pid:
        if select.select([read_end], [], [], 1.0)[0]:
            os.kill(guarded_pid, parting_signal)
            break
    os._exit(0)


def _close_all_but(kept: int) -> None:
    """Hold nothing open that others wait for: logs, locks, pipes."""
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 - the launcher does without pathlib
        if int(name) != kept:
            try:
                os.close(int(name))
            except OSError:
                continue  # the listing's own descriptor


if __name__ == "__main__":
    _launch(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
