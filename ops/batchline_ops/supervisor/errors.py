"""What can go wrong with the stack as a whole.

* BatchlineError
    * StackError              it could not be started, or does not answer
        * ServiceFailedError  one of its processes would not start; names its log
"""

from __future__ import annotations

from batchline_shared.errors import BatchlineError

__all__ = ["ServiceFailedError", "StackError"]


class StackError(BatchlineError):
    """The stack could not be started, or is not running. One line, for a person."""


class ServiceFailedError(StackError):
    """A service kept ending, or never answered, while the stack was starting."""
