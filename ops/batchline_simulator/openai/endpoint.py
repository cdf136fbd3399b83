"""What a batch needs to know of the endpoint that its requests go to.

Another endpoint is another class with these methods, listed in `all_endpoints`.
"""

import random
from abc import abstractmethod
from typing import Any, Protocol

from batchline_simulator.openai.errors import RowError
from batchline_simulator.openai.objects import Usage
from batchline_simulator.responder import Answer, Question

Body = dict[str, Any]


class Endpoint(Protocol):
    """One endpoint that batches can be run on. Remembers nothing but what it has checked before."""

    path: str
    """Such as `/v1/chat/completions`."""

    @abstractmethod
    def problem(self, body: Body) -> tuple[str, str, str] | None:
        """Return code, message and parameter of what fails the whole batch, or None."""

    @abstractmethod
    def prompt_tokens(self, body: Body) -> int:
        """Estimate the tokens that a request sends."""

    @abstractmethod
    def inputs(self, body: Body) -> int:
        """Count what a batch may hold only so many of beside its lines; 0 where there is no such limit."""

    @abstractmethod
    def rejection(self, body: Body) -> RowError | None:
        """Return the 400 that this request alone gets, or None."""

    @abstractmethod
    def question(self, custom_id: str, body: Body, raw: bytes) -> Question:
        """Put the request in the terms of responders."""

    @abstractmethod
    def reply(self, body: Body, answer: Answer, *, now: int, rng: random.Random) -> tuple[Body, Usage]:
        """Write the reply's body, and say what it cost."""
