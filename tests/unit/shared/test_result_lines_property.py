"""A result line of which anything is changed, or any JSON value at all, gets a sound verdict."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchline_shared.dialects.verdict import MESSAGE_LIMIT, Verdict
from result_readers import EACH, PROVIDERS, Provider, outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from result_lines import Line

WORDS = sorted(
    {
        word
        for provider in PROVIDERS.values()
        for line in provider.lines
        for word in orjson.dumps(line).decode().split('"')
        if word.isidentifier()
    }
)
NUMBERS = st.sampled_from([0, 1, 3, 200, 429]) | st.integers(-(2**63), 2**64 - 1)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | NUMBERS
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([*WORDS, "{", "{}", "```json\n{}\n```"])
    | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=12,
)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a value with every key of it."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from places(value[key])


def objects(line: Line) -> list[dict[str, Any]]:
    """Every object of a line but a tool's input, which is the answer itself."""
    inner = [holder[key] for holder, key in places(line) if key != "input"]
    return [line, *(value for value in inner if isinstance(value, dict))]


@st.composite
def changed(draw: st.DrawFn, lines: list[Line]) -> Line:
    """A line of which up to three parts are dropped, renamed, repeated, quoted or of another value."""
    line = copy.deepcopy(draw(st.sampled_from(lines)))
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(line))
        if not found:
            break
        holder, key = draw(st.sampled_from(found))
        part = holder[key]
        how = draw(st.sampled_from(["drop", "rename", "wrap", "quote", "value"]))
        if how == "drop":
            del holder[key]
        elif how == "rename" and isinstance(holder, dict):
            holder[draw(st.sampled_from(WORDS))] = holder.pop(key)
        elif how == "wrap":
            holder[key] = [part, copy.deepcopy(part)]
        elif how == "quote":
            holder[key] = orjson.dumps(part).decode()
        else:
            holder[key] = draw(VALUES)
    return line


def sound(provider: Provider, line: Any) -> None:
    """What holds of the verdict on any JSON value at all."""
    for structured in (True, False):
        verdict = provider.reader.classify(line, structured=structured)
        text = provider.reader.answer_text(line, structured=structured)

        assert isinstance(verdict, Verdict)
        assert (verdict.error_type is None) is (verdict.message == "")
        assert len(verdict.message) <= MESSAGE_LIMIT
        assert all(type(count) is int and count >= 0 for count in verdict[2:])
        assert text is None or isinstance(text, str)
        if verdict.error_type is None:
            assert text is not None
            if structured:
                orjson.loads(text)  # raises where it is no JSON


@EACH
@given(data=st.data())
def test_a_line_of_which_anything_is_changed_gets_a_sound_verdict(
    provider: Provider, data: st.DataObject
) -> None:
    sound(provider, data.draw(changed(provider.lines)))


@EACH
@given(data=st.data())
def test_new_keys_and_another_order_of_keys_change_nothing(provider: Provider, data: st.DataObject) -> None:
    line = copy.deepcopy(data.draw(st.sampled_from(provider.lines)))
    before = outcome(provider, line)

    for holder in objects(line):
        fields = [*holder.items(), ("x_new", data.draw(VALUES))]
        holder.clear()
        holder.update(data.draw(st.permutations(fields)))

    assert outcome(provider, line) == before


@EACH
@given(value=VALUES)
def test_any_json_value_gets_a_sound_verdict(provider: Provider, value: Any) -> None:
    sound(provider, value)
    for line in provider.lines:
        sound(provider, {**line, "response": value, "result": value})
        sound(provider, {**line, "error": value, "status": value})


@EACH
@pytest.mark.parametrize("depth", [300, 1000])
def test_what_is_nested_deeper_than_python_recurses_gets_a_sound_verdict(
    provider: Provider, depth: int
) -> None:
    deep = orjson.loads(b"[" * depth + b"]" * depth)

    for line in provider.lines:
        for holder, key in list(places(copied := copy.deepcopy(line))):
            part, holder[key] = holder[key], deep
            sound(provider, copied)
            holder[key] = part
