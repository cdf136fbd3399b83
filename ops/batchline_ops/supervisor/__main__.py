"""`python -m batchline_ops.supervisor`: one line of `UpOptions` as JSON on stdin, then a stack.

The stack stops when stdin ends, so it cannot outlive whoever started it.
"""

from __future__ import annotations

import sys

from pydantic import ValidationError

from batchline_ops.supervisor.options import UpOptions
from batchline_ops.supervisor.up import up
from batchline_shared.errors import BatchlineError

_STDIN = 0


def main() -> int:
    """Read the options and run."""
    line = _read_line()
    try:
        options = UpOptions.model_validate_json(line)
    except ValidationError as error:
        sys.stderr.write(f"batchline up: {error}\n")
        return 2
    try:
        up(options, lifeline=_STDIN)
    except BatchlineError as error:
        sys.stderr.write(f"batchline up: {error}\n")
        return 1
    return 0


def _read_line() -> bytes:
    """Read exactly one line: what a buffered reader took in advance, the lifeline would miss."""
    with open(_STDIN, "rb", buffering=0, closefd=False) as stdin:
        return stdin.readline()


if __name__ == "__main__":
    sys.exit(main())
