"""What the dialect suite has to be told of each endpoint. A new endpoint adds one line to `SAMPLES`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from result_lines import candidate, chat, gemini, message, message_item, responses, vertex

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from result_lines import Line

__all__ = ["MODEL", "SAMPLES", "Sample"]

MODEL = "some-model"

_TALK = [{"role": "user", "content": "“Grüezi” 👋"}]
_NO_TALK = ("hello", {}, [], [{}], [{"role": "nobody", "content": "x"}], [None], 3, None)


@dataclass(frozen=True)
class Sample:
    """An endpoint's requests and answers, by example."""

    option: tuple[str, Any, Any]
    """An option that it knows, with two values."""
    unset: tuple[str, Any]
    """Another one that a request may go without."""
    field: str
    """The body's field with the conversation."""
    answered: Callable[[str], Line] | None
    """Makes the result line of a request that was answered with a text; None: it answers no text."""
    talk: Any = tuple(_TALK)
    no_talks: tuple[Any, ...] = _NO_TALK
    """What is no conversation."""
    no_json: Any = ({"role": "user", "content": "secret", "x": {1, 2}},)
    """A conversation that cannot be written."""
    max_tokens: int | None = 50
    """Tokens that a request may ask for; None: it takes no such wish, or has it in an object with others."""
    names_model: bool = True
    """Whether a line names the model; if not, the batch alone does."""


def _generated(answered: Callable[[str], Line]) -> Sample:
    """What both of Google's APIs have in common."""
    first, second = ([{"category": "c", "threshold": value}] for value in ("OFF", "BLOCK_NONE"))
    return Sample(
        option=("safetySettings", first, second),
        unset=("serviceTier", "t"),
        field="contents",
        answered=answered,
        max_tokens=None,
        names_model=False,
    )


SAMPLES: Mapping[tuple[str, str], Sample] = {
    ("openai", "/v1/chat/completions"): Sample(
        option=("seed", 1, 2), unset=("user", "u"), field="messages", answered=chat
    ),
    ("openai", "/v1/responses"): Sample(
        option=("top_p", 0.1, 0.2),
        unset=("user", "u"),
        field="input",
        answered=lambda text: responses(message_item(text)),
        no_talks=_NO_TALK[1:],  # a text alone is what a user says
    ),
    ("openai", "/v1/embeddings"): Sample(
        option=("dimensions", 1, 2),
        unset=("user", "u"),
        field="input",
        answered=None,
        talk="“Grüezi” 👋",
        no_talks=("", {}, [], [""], [None], 3, None),
        no_json=["secret", {1, 2}],
        max_tokens=None,
    ),
    ("anthropic", "/v1/messages"): Sample(
        option=("stop_sequences", ["a"], ["b"]),
        unset=("metadata", {"user_id": "u"}),
        field="messages",
        answered=message,
    ),
    ("google", "/generateContent"): _generated(lambda text: vertex(candidate(text))),
    ("gemini", "/generateContent"): _generated(lambda text: gemini(candidate(text))),
}
"""Provider and endpoint → its sample."""
