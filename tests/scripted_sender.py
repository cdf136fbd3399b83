"""A sender in memory that keeps what it was given, and fails when it is told to."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from batchline_worker.hooks import Attempt, Message

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ScriptedSender"]


class ScriptedSender:
    """Implements `hooks.base.Sender`."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.script: deque[Attempt | Callable[[], Attempt]] = deque()
        """What the next calls answer, or do; then everything is delivered."""

    def send(self, message: Message) -> Attempt:
        self.messages.append(message)
        answer = self.script.popleft() if self.script else Attempt(status_code=200)
        return answer if isinstance(answer, Attempt) else answer()
