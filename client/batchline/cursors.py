"""How far a reader of a job's outcomes has come, as text that outlives processes.

Outcomes land in numbered chunks that never change their order or length: a
retry leaves a gap where it takes one back. So a chunk's number and a place in
it name one outcome for ever.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple, Self

from batchline_shared.errors import InvalidInputError

__all__ = ["Cursor"]

_FORM: Final = re.compile(r"(?P<job>.+):(?P<landing>\d{1,15})-(?P<place>\d{1,15})", re.ASCII)


class Cursor(NamedTuple):
    """A place between two outcomes of a job."""

    job_id: str
    landing: int = 0
    """Number of the chunk."""
    place: int = 0
    """Outcomes of it that lie behind, gaps included."""

    def __str__(self) -> str:
        return f"{self.job_id}:{self.landing}-{self.place}"

    @classmethod
    def parse(cls, text: str, job_id: str) -> Self:
        """Read what `str` wrote.

        Raises:
            InvalidInputError: It is no cursor, or one of another job.
        """
        match = _FORM.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise InvalidInputError("after must be a cursor, as reading the results of this job gave it")
        if match["job"] != job_id:
            raise InvalidInputError(f"after is a cursor of job {match['job']}, not of {job_id}")
        return cls(job_id, int(match["landing"]), int(match["place"]))
