"""What goes to the upstream server and what comes back."""

import asyncio
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Request:
    """One request."""

    path: str
    """Of the endpoint, as OpenAI has it: `/v1/chat/completions`."""
    body: dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """What came back in the end, retries included."""

    status: int
    """HTTP status."""
    body: bytes
    """JSON."""
    answered: bool = True
    """False where the server could not be reached; the status and body are then our own."""


class Upstream(Protocol):
    """A server that answers. One per process, whatever the number of batches."""

    slots: asyncio.Semaphore
    """As many as requests may be under way at once. Whoever asks holds one, from before it reads the
    request until it has stored the reply, so that few requests are in memory."""

    @abstractmethod
    async def ask(self, request: Request) -> Reply:
        """Ask, and again where that may help. Failures are replies too; nothing is raised."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connections."""
