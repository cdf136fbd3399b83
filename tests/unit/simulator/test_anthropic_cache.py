"""Prompt caching in a simulated batch: what is created, what is read, what is neither."""

from typing import Any

import pytest

from batchline_simulator.anthropic.prompt_cache import PromptCache, PromptUsage

MARK = {"cache_control": {"type": "ephemeral"}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def params(*system: dict[str, Any], ask: str = "ask!", **more: Any) -> dict[str, Any]:
    return {"system": list(system), "messages": [{"role": "user", "content": ask}], **more}


def test_prompt_without_a_breakpoint_is_plain_input() -> None:
    assert PromptCache().usage(params(text("x" * 40))) == PromptUsage(11, 0, 0, 0)


def test_second_request_reads_what_the_first_created() -> None:
    cache = PromptCache()
    used = [cache.usage(params(text("x" * 40, **MARK), ask=ask)) for ask in ("one!", "two!")]

    assert used == [PromptUsage(1, 10, 0, 0), PromptUsage(1, 0, 0, 10)]


def test_longer_prefix_reads_the_shorter_and_creates_the_rest() -> None:
    cache = PromptCache()
    cache.usage(params(text("x" * 40, **HOUR)))
    used = cache.usage(params(text("x" * 40, **HOUR), text("y" * 20, **MARK)))

    assert used == PromptUsage(1, 5, 0, 10)


def test_other_prefix_is_created_anew() -> None:
    cache = PromptCache()
    cache.usage(params(text("x" * 40, **HOUR)))

    assert cache.usage(params(text("z" * 40, **HOUR))) == PromptUsage(1, 0, 10, 0)


@pytest.mark.parametrize(
    "more",
    [
        {"cache_control": {"type": "ephemeral"}},
        {"messages": [{"role": "user", "content": [text("ask!", **MARK)]}]},
    ],
    ids=["for the request", "at the last block"],
)
def test_whole_prompt_may_be_cached(more: dict[str, Any]) -> None:
    assert PromptCache().usage(params(text("x" * 40)) | more) == PromptUsage(0, 11, 0, 0)


def test_tools_come_before_the_system_prompt() -> None:
    cache = PromptCache()
    tool = {"name": "t", "input_schema": {"type": "object"}, **MARK}
    first = cache.usage(params(text("x" * 40), tools=[tool]))
    second = cache.usage(params(text("y" * 80), tools=[tool]))

    assert first.created_5m == second.read > 0
    assert (first.input, second.input) == (11, 21)
