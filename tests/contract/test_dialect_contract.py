"""What every dialect promises, whosever endpoint it speaks to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import pytest
from pydantic import BaseModel

from batchline_shared.dialects.base import FileLine
from batchline_shared.dialects.reasking import extended, growth
from batchline_shared.dialects.registry import PROVIDERS, dialect, endpoints
from batchline_shared.errors import InvalidInputError, InvalidRequestError
from contract.dialect_samples import MODEL, SAMPLES, Sample

if TYPE_CHECKING:
    from batchline_shared.dialects.base import Dialect

MESSAGE = [{"role": "user", "content": "hi"}]


class User(BaseModel):
    name: str


class Desk(NamedTuple):
    """A dialect with what its endpoint is like."""

    speech: Dialect
    sample: Sample

    def template(self, model: type[BaseModel] | None = None, **options: Any) -> dict[str, Any]:
        return self.speech.template(MODEL, model, max_tokens=1000, temperature=0.1, options=options)

    def row(self, body: dict[str, Any]) -> bytes:
        return self.speech.encoder(body)(self.sample.talk, 7)

    def line(self, body: dict[str, Any]) -> bytes:
        head, middle, tail = self.speech.line_ends(orjson.dumps(body))
        return head + b"row-7" + middle + self.row(body) + tail

    def read(self, line: bytes) -> FileLine:
        return self.speech.read_line(orjson.loads(line), MODEL)


@pytest.fixture(params=SAMPLES, ids=lambda key: f"{key[0]} {key[1]}")
def desk(request: pytest.FixtureRequest) -> Desk:
    return Desk(dialect(*request.param), SAMPLES[request.param])


@pytest.fixture
def speaker(desk: Desk) -> Desk:
    """A desk whose endpoint answers in texts."""
    if desk.sample.answered is None:
        pytest.skip("this endpoint answers no text")
    return desk


def answer(desk: Desk, text: str) -> dict[str, Any]:
    assert desk.sample.answered is not None
    return desk.sample.answered(text)


def test_every_endpoint_has_a_sample() -> None:
    assert set(SAMPLES) == {(provider, path) for provider in PROVIDERS for path in endpoints(provider)}


def test_a_dialect_says_whose_it_is_and_where_its_limits_are(desk: Desk) -> None:
    speech = desk.speech

    assert dialect(speech.provider, speech.endpoint) is speech
    assert speech.endpoint.startswith("/")
    assert speech.limits.max_requests > 1
    assert speech.limits.max_bytes > 1_000_000


def test_what_is_read_from_a_line_is_what_it_was_made_of(desk: Desk) -> None:
    body = desk.template()

    written = desk.line(body)

    assert written.endswith(b"\n")
    assert written.count(b"\n") == 1
    read = desk.read(written)
    assert (read.custom_id, read.common, read.row) == ("row-7", body, desk.row(body))
    assert orjson.dumps(read.conversation[desk.sample.field]) == desk.row(body)


def test_a_response_model_comes_through_a_line_and_makes_its_answers_json(speaker: Desk) -> None:
    plain, body = speaker.template(), speaker.template(User)

    assert speaker.read(speaker.line(body)).common == body
    assert speaker.speech.structured(body)
    assert not speaker.speech.structured(plain)


def test_a_fragment_is_told_from_an_object_by_its_first_byte(desk: Desk) -> None:
    body = desk.template()

    assert not desk.row(body).startswith(b"{")
    assert desk.speech.encode_request(desk.sample.talk, {}, body, 7).startswith(b"{")


def test_a_row_with_options_of_its_own_makes_a_line_in_which_they_win(desk: Desk) -> None:
    (name, one, two), (unset, value) = desk.sample.option, desk.sample.unset
    body = desk.template(**{name: one, unset: value})
    own = desk.speech.overrides(MODEL, desk.sample.max_tokens, None, {name: two, unset: None})

    row = desk.speech.encode_request(desk.sample.talk, own, body, 7)
    written = desk.speech.object_line("row-7", body, row)

    assert written.endswith(b"\n")
    read = desk.read(written)
    expected = desk.template(**{name: two}) | {key: field for key, field in own.items() if field is not None}
    assert read == FileLine("row-7", expected, read.conversation, desk.row(body))


def test_a_row_with_options_of_its_own_keeps_the_form_of_the_answers(speaker: Desk) -> None:
    name, _, two = speaker.sample.option
    body = speaker.template(User)

    row = speaker.speech.encode_request(speaker.sample.talk, {name: two}, body, 7)

    common = speaker.read(speaker.speech.object_line("row-7", body, row)).common
    assert common == body | {name: two}


def test_the_same_arguments_give_the_same_template(speaker: Desk) -> None:
    name, one, _ = speaker.sample.option

    assert orjson.dumps(speaker.template(User, **{name: one})) == orjson.dumps(
        speaker.template(User, **{name: one})
    )


def test_what_is_no_conversation_is_refused_by_the_number_of_its_row(desk: Desk) -> None:
    body = desk.template()
    encode = desk.speech.encoder(body)
    for bad in desk.sample.no_talks:
        with pytest.raises(InvalidRequestError, match=r"^request 7: ") as refused:
            encode(bad, 7)

        assert refused.value.row == 7
        with pytest.raises(InvalidRequestError, match=r"^request 7: "):
            desk.speech.encode_request(bad, {}, body, 7)


def test_what_is_no_json_is_refused_without_being_quoted(desk: Desk) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        desk.speech.encoder(desk.template())(desk.sample.no_json, 0)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("max_tokens", "temperature"), [(0, None), (True, None), (None, -1.0), (None, "warm")]
)
def test_sampling_out_of_range_is_refused(desk: Desk, max_tokens: Any, temperature: Any) -> None:
    with pytest.raises(InvalidInputError):
        desk.speech.template(MODEL, None, max_tokens=max_tokens, temperature=temperature, options={})
    with pytest.raises(InvalidInputError):
        desk.speech.overrides(MODEL, max_tokens, temperature, {})


def test_the_conversation_cannot_be_set_as_an_option(desk: Desk) -> None:
    field = desk.sample.field
    options: dict[str, Any] = {field: MESSAGE}

    with pytest.raises(InvalidInputError, match=field):
        desk.template(**options)
    with pytest.raises(InvalidInputError, match=field):
        desk.speech.overrides(MODEL, None, None, options)


def test_a_line_of_another_model_or_of_no_provider_is_refused(desk: Desk) -> None:
    ours = orjson.loads(desk.line(desk.template()))

    if desk.sample.names_model:
        with pytest.raises(ValueError, match="another"):
            desk.speech.read_line(ours, "another")
    with pytest.raises(ValueError, match=r"."):
        desk.speech.read_line({}, MODEL)


def test_an_answer_is_read_as_it_was_given(speaker: Desk) -> None:
    answered = answer(speaker, '{"name": "Ada"}')

    assert speaker.speech.classify(answered, structured=True).error_type is None
    assert speaker.speech.answer_text(answered, structured=True) == '{"name": "Ada"}'


def test_an_answer_in_a_fence_comes_out_of_it_only_where_json_was_asked_for(speaker: Desk) -> None:
    answered = answer(speaker, '```json\n{"name": "Ada"}\n```')

    assert speaker.speech.answer_text(answered, structured=True) == '{"name": "Ada"}'
    assert speaker.speech.answer_text(answered, structured=False) == '```json\n{"name": "Ada"}\n```'


def test_what_is_kept_of_an_answer_says_the_same_as_what_came(speaker: Desk) -> None:
    line = answer(speaker, '{"name": "Ada"}')
    raw = orjson.dumps(line)

    kept = orjson.loads(speaker.speech.kept(line, raw))

    assert speaker.speech.classify(kept, structured=True) == speaker.speech.classify(
        orjson.loads(raw), structured=True
    )
    assert speaker.speech.answer_text(kept, structured=True) == '{"name": "Ada"}'


@pytest.mark.parametrize(
    "junk", [{}, [], None, 3, "x", {"response": None}, {"error": {}}, {"response": [1]}, {"result": [1]}]
)
def test_no_result_line_raises_or_counts_as_an_answer_by_accident(desk: Desk, junk: Any) -> None:
    verdict = desk.speech.classify(junk, structured=False)

    assert verdict.error_type is not None
    assert verdict.message
    assert desk.speech.answer_text(junk, structured=False) is None


@pytest.mark.parametrize("own_options", [False, True], ids=["fragment", "object"])
def test_an_answer_that_is_sent_back_makes_its_conversation_two_turns_longer(
    speaker: Desk, *, own_options: bool
) -> None:
    speech, field = speaker.speech, speaker.sample.field
    body = speaker.template(User)
    name, _, two = speaker.sample.option
    row = (
        speech.encode_request(speaker.sample.talk, {name: two}, body, 7) if own_options else speaker.row(body)
    )
    added = speech.reask(answer(speaker, '{"name": 1}'), "not like this")
    assert added is not None

    longer = extended(row, speech.conversation_field, [added, added])

    assert len(row) < len(longer) <= len(row) + growth([added, added])
    before, after = (_body(speaker, body, one) for one in (row, longer))
    talk, longer_talk = before.pop(field), after.pop(field)
    assert before == after
    assert longer_talk[:1] == talk
    assert [turn["role"] in ("assistant", "model") for turn in longer_talk] == [False, True] * 2 + [False]
    said = orjson.dumps(longer_talk[1:3]).decode()
    assert "name" in said
    assert "not like this" in said


def _body(desk: Desk, template: dict[str, Any], row: bytes) -> dict[str, Any]:
    if row.startswith(b"{"):
        line = orjson.loads(desk.speech.object_line("row-7", template, row))
    else:
        head, middle, tail = desk.speech.line_ends(orjson.dumps(template))
        line = orjson.loads(head + b"row-7" + middle + row + tail)
    body: dict[str, Any] = line.get("body") or line.get("params") or line.get("request")
    return body


@pytest.mark.parametrize("text", ["", "  \n"], ids=["empty", "blank"])
def test_an_answer_that_says_nothing_cannot_be_sent_back(speaker: Desk, text: str) -> None:
    assert speaker.speech.reask(answer(speaker, text), "not like this") is None


@pytest.mark.parametrize(
    "junk", [{}, [], None, 3, {"response": [1]}, {"result": {"message": {"content": 3}}}]
)
def test_what_is_no_answer_cannot_be_sent_back(desk: Desk, junk: Any) -> None:
    assert desk.speech.reask(junk, "not like this") is None
