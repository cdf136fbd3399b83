"""`python -m batchline_ops.flower [options of Flower]`: Flower with our configuration."""

from __future__ import annotations

import os
import sys

from batchline_ops.flower.command import flower_command

if __name__ == "__main__":
    command = (*flower_command(), *sys.argv[1:])
    os.execv(command[0], command)  # noqa: S606 - no shell is the point
