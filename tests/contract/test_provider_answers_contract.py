"""What comes back of requests in every form that the dialects write, from servers that check each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from contract.provider_bench import Bench

SYSTEM = {"role": "system", "content": "Extract the user."}
TALK = [SYSTEM, {"role": "user", "content": "Ada is 36 years old."}]
PICTURE = "data:image/png;base64,iVBORw0KGgo="


class Address(BaseModel):
    city: str
    zip_code: str | None


class User(BaseModel):
    name: str
    age: int
    home: Address


def template(bench: Bench, model: str = "", options: Any = (), *, text: bool = False) -> dict[str, Any]:
    """A job's as `enqueue` makes it, whose caller asks for the usual temperature."""
    return bench.speech.template(
        model or bench.wiring.model,
        None if text else User,
        max_tokens=4000,
        temperature=0.1,
        options=dict(options),
    )


def user_of(bench: Bench, line: dict[str, Any]) -> User:
    verdict = bench.speech.classify(line, structured=True)
    assert verdict.error_type is None, verdict.message
    answer = bench.speech.answer_text(line, structured=True)
    assert answer is not None
    return User.model_validate_json(answer)


def test_an_answer_in_json_fits_its_model_in_whatever_form_it_was_asked_for(bench: Bench) -> None:
    for model, options in ((bench.wiring.model, {}), *bench.wiring.forms):
        body = template(bench, model, options)

        line = bench.answered(body, bench.speech.encoder(body)(TALK, 0))

        assert user_of(bench, line).name


def test_a_request_with_options_of_its_own_is_answered_in_the_jobs_form(bench: Bench) -> None:
    for model, options in ((bench.wiring.model, {}), *bench.wiring.forms):
        body = template(bench, model)
        own = bench.speech.overrides(model, 3000, 0.9, options)

        line = bench.answered(body, bench.speech.encode_request(TALK, own, body, 0))

        assert user_of(bench, line).name


def test_a_conversation_with_turns_and_a_picture_is_answered_in_text(bench: Bench) -> None:
    body = template(bench, text=True)
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": PICTURE}},
    ]
    talk = [*TALK, {"role": "assistant", "content": "Noted."}, {"role": "user", "content": parts}]

    line = bench.answered(body, bench.speech.encoder(body)(talk, 0))

    assert bench.speech.classify(line, structured=False).error_type is None
    assert bench.speech.answer_text(line, structured=False)
