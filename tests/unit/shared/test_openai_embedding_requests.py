"""Requests to OpenAI's embeddings: texts instead of conversations, and no model of an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
from pydantic import BaseModel

from batchline_shared.dialects.registry import dialect
from batchline_shared.errors import InvalidInputError, InvalidRequestError

if TYPE_CHECKING:
    from batchline_shared.dialects.base import Dialect


class User(BaseModel):
    name: str


@pytest.fixture
def speech() -> Dialect:
    return dialect("openai", "/v1/embeddings")


def test_what_enqueue_says_of_tokens_and_temperature_by_itself_is_not_sent(speech: Dialect) -> None:
    body = speech.template("m", None, max_tokens=1000, temperature=0.1, options={"dimensions": 256})

    assert body == {"model": "m", "dimensions": 256}
    assert speech.template("m", None, max_tokens=None, temperature=None, options={}) == {"model": "m"}


@pytest.mark.parametrize(
    ("max_tokens", "temperature", "named"),
    [(999, None, "max_tokens"), (None, 0.2, "temperature"), (None, False, "temperature")],
)
def test_a_wish_for_tokens_or_temperature_is_refused(
    speech: Dialect, max_tokens: Any, temperature: Any, named: str
) -> None:
    with pytest.raises(InvalidInputError, match=f"{named} must not be set"):
        speech.template("m", None, max_tokens=max_tokens, temperature=temperature, options={})
    with pytest.raises(InvalidInputError, match=f"{named} must not be set"):
        speech.overrides("m", max_tokens, temperature, {})


def test_a_response_model_is_refused_because_the_answer_is_a_vector(speech: Dialect) -> None:
    with pytest.raises(InvalidInputError, match="response model must be None"):
        speech.template("m", User, max_tokens=None, temperature=None, options={})


@pytest.mark.parametrize(
    "given",
    ["Grüezi\u2028👋", ["a", "b"], [1, 2], [[1, 2], [3]], ["x"] * 2048, [7] * 5000],
    ids=lambda v: str(v)[:12],
)
def test_a_text_or_several_or_their_tokens_are_sent_as_they_are(speech: Dialect, given: Any) -> None:
    assert orjson.loads(speech.encoder({})(given, 0)) == given


@pytest.mark.parametrize(
    "bad",
    [
        "",
        [],
        [""],
        ["a", ""],
        ["a", None],
        ["a", 1],
        [[]],
        ["x"] * 2049,
        {},
        None,
        3,
        [True],
        [{"role": "user"}],
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_text_is_refused_by_the_number_of_its_row(speech: Dialect, bad: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^request 7: "):
        speech.encoder({})(bad, 7)


def test_answers_are_read_as_json_whatever_the_template_says(speech: Dialect) -> None:
    assert speech.structured({"model": "m"})
