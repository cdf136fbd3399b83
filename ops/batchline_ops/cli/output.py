"""How answers look: JSON for programs, Rich for people, errors as one line on stderr."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = [
    "counted",
    "note",
    "print_error",
    "print_json",
    "print_line",
    "safe_text",
    "stderr_console",
    "stdout_console",
]

_UNBOUNDED: Final = 10_000
"""Width where nobody looks: a pipe must get whole ids, not those that fit 80 columns."""


def print_json(value: Any) -> None:
    """Write one line of JSON to stdout. Plain ASCII, so that no terminal or locale can break it."""
    print_line(json.dumps(value))


def print_line(text: str) -> None:
    """Write a line to stdout as it is."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def stdout_console() -> Console:
    """For people; obeys NO_COLOR, and a pipe gets neither colours nor folded lines."""
    return _console(stderr=False)


def stderr_console() -> Console:
    """The same on stderr."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console  # noqa: PLC0415 - not for those who want JSON

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, emoji=False, width=None if stream.isatty() else _UNBOUNDED)


def counted(number: int, noun: str) -> str:
    """Such as `1 request` and `1,200 requests`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def safe_text(value: str, style: str = "") -> Text:
    """Text from outside: neither markup nor control characters act on the terminal."""
    from rich.text import Text  # noqa: PLC0415 - as above

    return Text("".join(c if c.isprintable() else " " for c in value), style=style)


def note(message: str, style: str = "") -> None:
    """Say something on stderr that is no error and no answer."""
    stderr_console().print(safe_text(message, style), soft_wrap=True)


def print_error(kind: str, message: str, *, exit_code: int, as_json: bool) -> None:
    """Say on stderr, in one line, what went wrong.

    Args:
        kind: The exception's class name.
        message: For a person; line breaks become spaces.
        exit_code: The code that the process is about to end with.
        as_json: Whether to write `{"error": {"type", "message", "exit_code"}}`.
    """
    line = " ".join(message.split())
    if as_json:
        error = {"type": kind, "message": line, "exit_code": exit_code}
        sys.stderr.write(json.dumps({"error": error}) + "\n")
        return
    from rich.text import Text  # noqa: PLC0415 - as above

    stderr_console().print(Text.assemble(("Error: ", "bold red"), safe_text(line)), soft_wrap=True)
