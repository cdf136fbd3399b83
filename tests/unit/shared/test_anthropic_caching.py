"""Where the mark stands that has Anthropic cache the prompt which requests share, and where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
from pydantic import BaseModel, Field

from batchline_shared.accounts import Account
from batchline_shared.dialects.anthropic import AnthropicMessages
from batchline_shared.dialects.anthropic_caching import prompt_marker
from batchline_shared.dialects.anthropic_models import least_cached_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

SPEECH = AnthropicMessages(Account())
MODEL = "claude-sonnet-4-5"
LONG = "Be brief. " * 500
HOUR = {"type": "ephemeral", "ttl": "1h"}


class Verbose(BaseModel):
    """An answer whose schema is long."""

    name: str = Field(description="A name. " * 700)


def says(text: str, *system: Any) -> list[dict[str, Any]]:
    return [*({"role": "system", "content": one} for one in system), {"role": "user", "content": text}]


def sent(
    conversations: Sequence[Any],
    *,
    model: str = MODEL,
    response_model: type[BaseModel] | None = None,
    samples: int = 2,
    **options: Any,
) -> list[dict[str, Any]]:
    """The bodies of requests that are marked by the first few."""
    template = SPEECH.template(model, response_model, max_tokens=9, temperature=None, options=options)
    marked = prompt_marker(template, conversations[:samples], "1h")
    encode = SPEECH.encoder(marked.template)
    head, middle, tail = SPEECH.line_ends(orjson.dumps(marked.template))
    rows = [encode(marked.mark(one), number) for number, one in enumerate(conversations)]
    lines = [
        SPEECH.object_line("x", marked.template, row)
        if row[:1] == b"{"
        else head + b"x" + middle + row + tail
        for row in rows
    ]
    return [orjson.loads(line)["params"] for line in lines]


def marks(body: dict[str, Any]) -> int:
    return orjson.dumps(body).count(b'"cache_control"')


def test_the_system_prompt_that_requests_share_is_marked_in_each() -> None:
    bodies = sent([says("a", LONG), says("b", LONG), says("c", LONG)])

    assert [body["system"] for body in bodies] == [
        [{"type": "text", "text": LONG, "cache_control": HOUR}]
    ] * 3
    assert [body["messages"][0]["content"] for body in bodies] == ["a", "b", "c"]


def test_a_request_with_another_system_prompt_stays_as_it_is() -> None:
    bodies = sent([says("a", LONG), says("b", LONG), says("c", "other"), says("d")])

    assert [marks(body) for body in bodies] == [1, 1, 0, 0]
    assert bodies[2]["system"] == "other"
    assert "system" not in bodies[3]


def test_several_system_messages_say_the_same_with_and_without_a_mark() -> None:
    conversations = [says("a", LONG, "Now."), says("b", LONG, "Now.")]

    assert sent(conversations)[0]["system"][0]["text"] == sent(conversations, samples=1)[0]["system"]


def test_blocks_are_marked_at_their_last() -> None:
    blocks = [{"type": "text", "text": LONG}, {"type": "text", "text": "Now."}]
    (first, _) = sent([says("a", blocks), says("b", blocks)])

    assert first["system"] == [blocks[0], {**blocks[1], "cache_control": HOUR}]
    assert marks({"system": blocks}) == 0


def test_the_jobs_own_system_prompt_is_marked_where_requests_have_none_in_common() -> None:
    bodies = sent([says("a"), says("b", "own")], system=LONG)

    marked = {"type": "text", "text": LONG, "cache_control": HOUR}
    assert bodies[0]["system"] == [marked]
    assert bodies[1]["system"] == [marked, {"type": "text", "text": "own"}]


def test_one_mark_covers_the_jobs_prompt_and_the_requests() -> None:
    bodies = sent([says("a", LONG), says("b", LONG)], system="Of the job.", response_model=Verbose)

    assert [marks(body) for body in bodies] == [1, 1]
    assert bodies[0]["system"][0] == {"type": "text", "text": "Of the job."}
    assert bodies[0]["system"][1]["cache_control"] == HOUR


def test_a_long_schema_is_marked_where_there_is_no_prompt() -> None:
    (body, _) = sent([says("a"), says("b")], response_model=Verbose)

    assert body["tools"][-1]["cache_control"] == HOUR
    assert marks(body) == 1


@pytest.mark.parametrize(
    ("conversations", "options"),
    [
        ([says("a", "short"), says("b", "short")], {}),
        ([says("a", LONG)], {}),
        ([says("a", LONG), says("b", LONG + "!")], {}),
        ([says("a"), says("b")], {}),
        ([], {}),
        ([says("a", ""), says("b", "")], {}),
        ([says("a", LONG), says("b", LONG)], {"cache_control": {"type": "ephemeral"}}),
    ],
    ids=[
        "too short",
        "one request",
        "another each",
        "no system prompt",
        "none",
        "empty",
        "asked for already",
    ],
)
def test_nothing_is_marked_where_it_would_not_pay(conversations: list[Any], options: dict[str, Any]) -> None:
    template = {"model": MODEL, "max_tokens": 9, **options}
    marked = prompt_marker(template, conversations, "1h")

    assert marked.template == template
    assert [marked.mark(one) for one in conversations] == conversations


def test_marks_of_the_users_own_are_left_alone() -> None:
    block = {"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}
    (first, _) = sent([says("a", [block]), says("b", [block])])

    assert first["system"] == [block]


@pytest.mark.parametrize(
    "bad",
    [None, "text", [None], [{"role": "system"}], [{"role": "system", "content": object()}], [{"role": []}]],
    ids=["none", "text", "no dict", "no content", "no JSON", "no role"],
)
def test_what_is_no_conversation_is_left_to_the_encoder(bad: Any) -> None:
    marked = prompt_marker({"model": MODEL, "system": LONG}, [bad, bad], "5m")

    assert marked.mark(bad) is bad


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("claude-3-haiku-20240307", 2048),
        ("claude-3-5-haiku-20241022", 2048),
        ("claude-haiku-4-5", 4096),
        ("claude-opus-4-20250514", 1024),
        ("claude-opus-4-6", 4096),
        ("claude-opus-4-7", 2048),
        ("claude-opus-4-8", 1024),
        ("claude-sonnet-5", 1024),
        ("claude-opus-5", 512),
        ("a-name-of-tomorrow", 512),
    ],
)
def test_the_shortest_prompt_that_is_cached_goes_by_the_model(model: str, tokens: int) -> None:
    assert least_cached_tokens(model) == tokens


def test_a_prompt_that_one_model_caches_is_too_short_for_another() -> None:
    text = "Be brief. " * 1000

    assert [
        marks(sent([says("a", text), says("b", text)], model=model)[0])
        for model in ("claude-sonnet-4-5", "claude-haiku-4-5")
    ] == [1, 0]
