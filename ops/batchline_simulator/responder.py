"""Where answers come from.

The default invents them: an instance of the requested schema, or a sentence.
The same question gets the same answer, so a batch can be run again.
"""

import hashlib
import importlib
import json
import random
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from batchline_simulator.instances import InstanceMaker, words

Finish = Literal["stop", "length", "content_filter", "refusal"]


@dataclass(frozen=True)
class Question:
    """One request, in terms that all providers share."""

    custom_id: str
    body: dict[str, Any]
    """The provider's own request body."""
    raw: bytes
    """The body as bytes, which together with the custom id seeds the answer."""
    schema: dict[str, Any] | None
    """JSON schema that the answer has to fit; None asks for plain text."""
    messages: tuple[tuple[str, str], ...] = ()
    """Role and text of each turn, oldest first; roles are `system`, `user`, `assistant`, `tool`."""
    model: str = ""
    """As the request names it."""


@dataclass(frozen=True)
class Answer:
    """What the model says."""

    text: str
    finish: Finish = "stop"
    """Why it stopped. With `refusal`, `text` is the refusal."""
    stop_reason: str | None = None
    """Anthropic's word for why it stopped, where that says more than `finish`."""
    raw_unicode: bool = False
    """Write the line without `\\u` escapes."""
    commentary: str | None = None
    """What the model says before its answer. Endpoints that have no place for it leave it out."""


class Responder(Protocol):
    """Answers one question. Called from several threads."""

    @abstractmethod
    def __call__(self, question: Question) -> Answer:
        """Return the answer; it must depend on the question only."""


def random_answer(question: Question) -> Answer:
    """Invent a valid answer."""
    seed = hashlib.blake2b(question.custom_id.encode() + b"\0" + question.raw, digest_size=8).digest()
    rng = random.Random(int.from_bytes(seed, "big"))  # noqa: S311 - invented data is no secret
    if question.schema is None:
        return Answer(words(rng, 8, 24).capitalize() + ".")
    instance = InstanceMaker(question.schema, rng).make()
    return Answer(json.dumps(instance, ensure_ascii=False, separators=(",", ":")))


def load_responder(name: str | None) -> Responder:
    """Import `module:function`; without a name, return the responder that invents answers.

    The function is given the request body and returns an `Answer`, a string, or
    any value, which is then sent as JSON.

    Raises:
        ValueError: The name has no colon.
    """
    if name is None:
        return random_answer
    module, colon, attribute = name.partition(":")
    if not colon:
        raise ValueError(f"--responder takes module:function, not {name!r}")
    function = getattr(importlib.import_module(module), attribute)

    def ask(question: Question) -> Answer:
        answer = function(question.body)
        if isinstance(answer, Answer):
            return answer
        return Answer(answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False))

    return ask
