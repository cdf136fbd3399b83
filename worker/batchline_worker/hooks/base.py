"""What every sender is given, and what it gives back. A failed attempt is data: it is tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from batchline_shared.ledger import DeliveryError

__all__ = ["Attempt", "Message", "Sender"]


class Message(NamedTuple):
    """What is to be told, to one target."""

    id: str
    """The same for every attempt, so that whoever gets it twice can tell."""
    target: str
    """`task.name@queue`, or the name of an endpoint."""
    job_id: str
    body: bytes
    """JSON: what an endpoint is sent. A task is sent the job's id alone."""
    sent_at: datetime
    """By the ledger's clock."""


class Attempt(NamedTuple):
    """How one attempt went."""

    error: DeliveryError | None = None
    """None: it was delivered."""
    status_code: int | None = None
    """The endpoint's answer; None without one."""
    message: str = ""
    """What failed, for a person, and what to do. Never an address, a secret or what was sent."""


class Sender(Protocol):
    """Tells one kind of target. Safe to share between threads."""

    def send(self, message: Message) -> Attempt:
        """Make one attempt, in bounded time; does not raise for what may go wrong on the way."""
        ...
