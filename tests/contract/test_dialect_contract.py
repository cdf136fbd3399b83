"""What every dialect promises, whoever's it is. A new provider adds one line to `ANSWERED`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
from pydantic import BaseModel

from batchline_shared.dialects.registry import PROVIDERS, dialect
from batchline_shared.errors import InvalidInputError, InvalidRequestError

if TYPE_CHECKING:
    from batchline_shared.dialects.base import Dialect

MODEL = "some-model"
TALK = [{"role": "user", "content": "“Grüezi” 👋"}]

ANSWERED = {
    "openai": lambda text: {
        "custom_id": "a",
        "response": {
            "status_code": 200,
            "body": {"choices": [{"finish_reason": "stop", "message": {"content": text, "refusal": None}}]},
        },
        "error": None,
    },
}
"""Provider → the result line of a request that was answered with a text."""


class User(BaseModel):
    name: str


@pytest.fixture(params=sorted(PROVIDERS))
def speech(request: pytest.FixtureRequest) -> Dialect:
    return dialect(request.param)


def template(speech: Dialect, model: type[BaseModel] | None = None, **options: Any) -> dict[str, Any]:
    return speech.template(MODEL, model, max_tokens=1000, temperature=0.1, options=options)


def line(speech: Dialect, body: dict[str, Any], row: bytes) -> bytes:
    head, middle, tail = speech.line_ends(orjson.dumps(body))
    return head + b"row-7" + middle + row + tail


def test_every_provider_has_a_line_here() -> None:
    assert sorted(ANSWERED) == sorted(PROVIDERS)


def test_a_dialect_says_whose_it_is_and_where_its_limits_are(speech: Dialect) -> None:
    assert dialect(speech.provider) is speech
    assert speech.endpoint.startswith("/")
    assert speech.limits.max_requests > 1
    assert speech.limits.max_bytes > 1_000_000


@pytest.mark.parametrize("model", [None, User], ids=["text", "structured"])
def test_what_is_read_from_a_line_is_what_it_was_made_of(
    speech: Dialect, model: type[BaseModel] | None
) -> None:
    body, row = template(speech, model), speech.encode_messages(TALK, 7)

    written = line(speech, body, row)

    assert written.endswith(b"\n")
    assert written.count(b"\n") == 1
    assert speech.read_line(orjson.loads(written), MODEL) == ("row-7", body, row)


def test_a_row_with_options_of_its_own_makes_a_line_in_which_they_win(speech: Dialect) -> None:
    body = template(speech, seed=1, user="u")
    own = speech.overrides(MODEL, 5, None, {"seed": 2, "user": None})

    written = speech.object_line("row-7", body, speech.encode_request(TALK, own, 7))

    assert written.endswith(b"\n")
    plain = orjson.loads(line(speech, template(speech, seed=2) | own, speech.encode_messages(TALK, 7)))
    read = speech.read_line(orjson.loads(written), MODEL)
    assert read.custom_id == "row-7"
    assert read.row == speech.encode_messages(TALK, 7)
    assert read.common == {
        name: value for name, value in speech.read_line(plain, MODEL).common.items() if value is not None
    }


def test_the_same_arguments_give_the_same_template(speech: Dialect) -> None:
    assert orjson.dumps(template(speech, User, seed=1)) == orjson.dumps(template(speech, User, seed=1))


@pytest.mark.parametrize(
    "bad", ["hello", {}, [], [{}], [{"role": "nobody", "content": "x"}], [None], 3, None]
)
def test_what_is_no_conversation_is_refused_by_the_number_of_its_row(speech: Dialect, bad: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^request 7: ") as refused:
        speech.encode_messages(bad, 7)

    assert refused.value.row == 7
    with pytest.raises(InvalidRequestError, match=r"^request 7: "):
        speech.encode_request(bad, {}, 7)


def test_what_is_no_json_is_refused_without_being_quoted(speech: Dialect) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        speech.encode_messages([{"role": "user", "content": "secret", "x": {1, 2}}], 0)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("max_tokens", "temperature"), [(0, None), (True, None), (None, -1.0), (None, "warm")]
)
def test_sampling_out_of_range_is_refused(speech: Dialect, max_tokens: Any, temperature: Any) -> None:
    with pytest.raises(InvalidInputError):
        speech.template(MODEL, None, max_tokens=max_tokens, temperature=temperature, options={})
    with pytest.raises(InvalidInputError):
        speech.overrides(MODEL, max_tokens, temperature, {})


def test_the_messages_cannot_be_set_as_an_option(speech: Dialect) -> None:
    with pytest.raises(InvalidInputError, match="messages"):
        template(speech, messages=TALK)


def test_a_line_of_another_model_or_of_no_provider_is_refused(speech: Dialect) -> None:
    ours = orjson.loads(line(speech, template(speech), speech.encode_messages(TALK, 0)))

    with pytest.raises(ValueError, match="another"):
        speech.read_line(ours, "another")
    with pytest.raises(ValueError, match=r"."):
        speech.read_line({}, MODEL)


def test_an_answer_is_read_as_it_was_given(speech: Dialect) -> None:
    answered = ANSWERED[speech.provider]('{"name": "Ada"}')

    assert speech.classify(answered, structured=True).error_type is None
    assert speech.answer_text(answered, structured=True) == '{"name": "Ada"}'


def test_an_answer_in_a_fence_comes_out_of_it_only_where_json_was_asked_for(speech: Dialect) -> None:
    answered = ANSWERED[speech.provider]('```json\n{"name": "Ada"}\n```')

    assert speech.answer_text(answered, structured=True) == '{"name": "Ada"}'
    assert speech.answer_text(answered, structured=False) == '```json\n{"name": "Ada"}\n```'


@pytest.mark.parametrize("junk", [{}, [], None, 3, "x", {"response": None}, {"error": {}}, {"response": [1]}])
def test_no_result_line_raises_or_counts_as_an_answer_by_accident(speech: Dialect, junk: Any) -> None:
    verdict = speech.classify(junk, structured=False)

    assert verdict.error_type is not None
    assert verdict.message
    assert speech.answer_text(junk, structured=False) is None
