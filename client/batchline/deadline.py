"""Until when a job's requests may be run in batches, as `enqueue` is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, Self

from batchline_shared.errors import InvalidInputError
from batchline_shared.ledger import OnDeadline

__all__ = ["Action", "JobDeadline"]

Action = Literal["cancel", "live"]
"""What becomes of what was not run: see `OnDeadline`."""

_LONGEST: Final = timedelta(days=10 * 365)
"""A deadline that is further away is a mistake."""


class JobDeadline:
    """A deadline that is checked, and stands on Redis' clock only once the job is written."""

    def __init__(self, until: timedelta | datetime, action: OnDeadline) -> None:
        """Args: until: A positive time from now, or a moment with its time zone."""
        self._until = until
        self.action = action

    @classmethod
    def of(cls, deadline: Any, on_deadline: Any) -> Self | None:
        """Read what `enqueue` was given; None where that is no deadline.

        Raises:
            InvalidInputError: It is no time from now and no moment with a time zone, or there is no such
                action.
        """
        try:
            action = OnDeadline(on_deadline)
        except ValueError:
            known = ", ".join(f'"{one}"' for one in OnDeadline)
            raise InvalidInputError(f"on_deadline must be one of {known}, not {on_deadline!r}") from None
        if deadline is None:
            if action is not OnDeadline.CANCEL:
                raise InvalidInputError(f'on_deadline="{action}" needs a deadline')
            return None
        if isinstance(deadline, datetime):
            if deadline.utcoffset() is None:
                raise InvalidInputError(
                    f"deadline {deadline.isoformat(sep=' ')} has no time zone; give it one, such as "
                    "datetime.now(UTC) + timedelta(hours=6), or give the timedelta itself"
                )
        elif not isinstance(deadline, timedelta):
            raise InvalidInputError(
                "deadline must be a timedelta from now or a datetime with a time zone, "
                f"not {type(deadline).__name__}"
            )
        return cls(deadline, action)

    def at_ms(self, now_ms: int, *, linger_s: float = 0.0) -> int:
        """The moment by Redis' clock, in milliseconds, as the job's record holds it.

        Args:
            now_ms: By the same clock.
            linger_s: Seconds for which requests may wait for company before they are sent.

        Raises:
            InvalidInputError: It has passed, is more than ten years away, or comes before anything is sent.
        """
        now = datetime.fromtimestamp(now_ms / 1000, UTC)
        left = self._until if isinstance(self._until, timedelta) else self._until - now
        if left <= timedelta(0):
            raise InvalidInputError(
                f"the deadline has passed: it was {-left} before {now:%Y-%m-%d %H:%M:%S} UTC, Redis' time"
            )
        if left > _LONGEST:
            raise InvalidInputError(f"the deadline is {left.days} days away; at most {_LONGEST.days}")
        # Requests that may be asked live after it wait for no company.
        if self.action is OnDeadline.CANCEL and left <= timedelta(seconds=linger_s):
            raise InvalidInputError(
                f"linger_s={linger_s:g} lets requests wait for company until the deadline has passed, {left} "
                "from now; give a shorter linger_s, or 0"
            )
        return now_ms + max(1, left // timedelta(milliseconds=1))
