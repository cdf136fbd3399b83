"""Where turns go in a conversation that is written already, and how much is said about an answer."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline_shared.dialects.reasking import complaint, extended, growth, turns

ADDED = [turns({"role": "assistant", "content": 'a "]" b'}, {"role": "user", "content": "\\"})]
BEHIND = orjson.loads(b"[%b]" % ADDED[0])

texts = st.text(alphabet=st.sampled_from('ab"\\[]{},:é\n')) | st.text()
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(values, min_size=1), st.none() | values)
def test_turns_go_to_the_end_of_the_conversation_and_nothing_else_changes(
    talk: list[Any], system: Any
) -> None:
    tail = b"" if system is None else b',"system":%b' % orjson.dumps(system)
    row = orjson.dumps(talk) + tail

    longer = extended(row, "messages", ADDED)

    assert longer.startswith(row[: len(orjson.dumps(talk)) - 1])
    assert longer.endswith(b"]" + tail)
    body = orjson.loads(b'{"messages":%b}' % longer)
    assert body["messages"] == [*talk, *BEHIND]
    assert len(longer) <= len(row) + growth(ADDED)


@given(st.lists(values, min_size=1), st.dictionaries(texts.filter(lambda name: name != "input"), values))
def test_an_object_keeps_its_other_fields(talk: list[Any], fields: dict[str, Any]) -> None:
    row = orjson.dumps({**fields, "input": talk})

    assert orjson.loads(extended(row, "input", ADDED)) == {**fields, "input": [*talk, *BEHIND]}
    assert len(extended(row, "input", ADDED)) <= len(row) + growth(ADDED)


def test_a_plain_question_becomes_the_first_turn() -> None:
    row = orjson.dumps('say "hi"')

    assert orjson.loads(extended(row, "input", ADDED)) == [{"role": "user", "content": 'say "hi"'}, *BEHIND]
    assert len(extended(row, "input", ADDED)) <= len(row) + growth(ADDED)


def test_a_row_without_a_conversation_is_refused() -> None:
    with pytest.raises(ValueError, match="no conversation"):
        extended(b"7", "input", ADDED)


def test_however_much_is_wrong_little_is_said() -> None:
    said = complaint([f"items.{number}: {'x' * 10_000}" for number in range(5000)])

    assert len(said) < 3000
    assert "items.0: xxx" in said
    assert "and 4990 more" in said
