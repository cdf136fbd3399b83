"""What a batch needs to know of the endpoint that its requests go to.

`chat` is the first; another endpoint is another class with these methods,
listed in `ENDPOINTS` of `service`.
"""

import random
from abc import abstractmethod
from typing import Any, Protocol

from batchline_simulator.openai.errors import RowError
from batchline_simulator.openai.objects import Usage
from batchline_simulator.responder import Answer, Question

Body = dict[str, Any]


class Endpoint(Protocol):
    """One endpoint that batches can be run on. Holds no state."""

    path: str
    """Such as `/v1/chat/completions`."""

    @abstractmethod
    def problem(self, body: Body) -> tuple[str, str, str] | None:
        """Return code, message and parameter of what fails the whole batch, or None."""

    @abstractmethod
    def prompt_tokens(self, body: Body) -> int:
        """Estimate the tokens that a request sends."""

    @abstractmethod
    def rejection(self, body: Body) -> RowError | None:
        """Return the 400 that this request alone gets, or None."""

    @abstractmethod
    def question(self, custom_id: str, body: Body, raw: bytes) -> Question:
        """Put the request in the terms of responders."""

    @abstractmethod
    def reply(self, body: Body, answer: Answer, *, now: int, rng: random.Random) -> tuple[Body, Usage]:
        """Write the reply's body, and say what it cost."""
