"""Jobs with results that come mixed up and torn, for the collect stage to make the best of."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hypothesis import assume
from hypothesis import strategies as st
from pydantic import BaseModel

from batchline_shared.outcomes import ErrorType
from batchline_worker.providers.base import BatchPhase, LineError
from mixed_results import MixedFile, mixed_files

if TYPE_CHECKING:
    from result_downloads import Target

__all__ = ["Case", "Person", "Tear", "cases"]

_UNANSWERED = {
    BatchPhase.COMPLETED: ErrorType.MISSING,
    BatchPhase.EXPIRED: ErrorType.EXPIRED,
    BatchPhase.CANCELLED: ErrorType.CANCELLED,
    BatchPhase.FAILED: ErrorType.PROVIDER_ERROR,
}
_NAMES = ["request-1", "request-0", "n\u00e4me \u2028 \U0001f99c", f"bl-{'s' * 20}-0-1", "0"]
"""Ids that users may give: each other's defaults, and what looks like one of ours."""


class Person(BaseModel):
    name: str


class Tear(NamedTuple):
    """A reading that does not get the whole file, or is overtaken by another worker's."""

    share: float
    """The part of the file that it gets."""
    broken: bool
    overtaken_at: int | None
    """The line at which another worker takes the lease and collects too."""


class Case(NamedTuple):
    """A job of some rows and how its results come."""

    rows: int
    model: type[Person] | None
    names: list[str] | None
    phase: BatchPhase
    errors: tuple[LineError, ...]
    file: MixedFile
    tears: list[Tear] = []  # noqa: RUF012 - nobody changes it
    piece_bytes: int = 1 << 16

    def unanswered(self, position: int) -> tuple[ErrorType, str]:
        """The kind of error of a request without a line, and words that its message holds."""
        blamed = [error for error in self.errors if error.line == position + 1]
        whole = [error for error in self.errors if error.line is None]
        for error in [*blamed, *whole]:
            return ErrorType.INVALID_REQUEST, error.message
        return _UNANSWERED[self.phase], ""

    @property
    def goes_out_again(self) -> bool:
        """Whether it was refused, unread, for some of its lines: the others are sent again without them."""
        blamed = {error.line for error in self.errors if error.line and 0 < error.line <= self.rows}
        whole = any(error.line is None for error in self.errors)
        return not self.file.first and not whole and 0 < len(blamed) < self.rows


@st.composite
def _line_errors(draw: st.DrawFn, rows: int) -> tuple[LineError, ...]:
    """Reasons for which a batch was refused: lines of it, lines that it does not have, or none."""
    lines = draw(st.lists(st.none() | st.integers(-1, rows + 1) | st.just(10**12), max_size=3))
    param = draw(st.none() | st.just("body.model"))
    return tuple(LineError(line, "bad", f"reason {number}", param) for number, line in enumerate(lines))


@st.composite
def cases(draw: st.DrawFn, target: Target, rows: int | None = None) -> Case:
    rows = rows or draw(st.integers(1, len(_NAMES)))
    phase = draw(st.sampled_from(list(_UNANSWERED)))
    tears = st.builds(Tear, st.floats(0, 1), st.booleans(), st.none() | st.integers(0, 8))
    case = Case(
        rows,
        None if "embedding" in target.endpoint else draw(st.sampled_from([None, Person])),
        draw(st.none() | st.just(_NAMES[:rows])),
        phase,
        draw(_line_errors(rows)) if phase is BatchPhase.FAILED else (),
        draw(mixed_files(target, rows)),
        draw(st.lists(tears, max_size=3)),
        draw(st.sampled_from([7, 100, 4096, 1 << 16])),
    )
    assume(not case.goes_out_again)  # test_attempts has these
    return case
