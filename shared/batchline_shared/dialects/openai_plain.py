"""The shape that nearly every OpenAI result line has, read quickly.

Whatever is missing, of another type or unusual makes these functions return
None, and `openai_results` looks closer. So they may know only what is true
there too: `tests/unit/shared/test_openai_plain.py` compares the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchline_shared.dialects.verdict import MOST_TOKENS, Verdict

if TYPE_CHECKING:
    from batchline_shared.outcomes import ErrorType

__all__ = ["plain_answer", "plain_verdict"]


def plain_answer(line: Any) -> tuple[str, Any] | None:
    """Return text and usage of a chat answer as nearly all are, quickly; None: look closer."""
    try:
        response = line["response"]
        body = response["body"]
        choice = body["choices"][0]
        message = choice["message"]
        text = message["content"]
        # Without a refusal, finished by itself, and not one of the shapes of similar servers.
        plain = (
            response["status_code"] == 200  # noqa: PLR2004 - HTTP
            and choice["finish_reason"] == "stop"
            and not message["refusal"]
            and text.__class__ is str
        )
        return (text, body["usage"]) if plain else None
    except (KeyError, TypeError, IndexError):
        return None


def plain_verdict(problem: tuple[ErrorType | None, str], usage: Any) -> Verdict | None:
    """Read the token counts of a chat answer as nearly all are, quickly; None: look closer."""
    try:
        given, spent = usage["prompt_tokens"], usage["completion_tokens"]
        cache = usage["prompt_tokens_details"]
        read = cache["cached_tokens"]
        thought = usage["completion_tokens_details"]["reasoning_tokens"]
    except (KeyError, TypeError):
        return None
    kind, message = problem
    written = cache.get("cache_write_tokens", 0)
    if (
        given.__class__ is spent.__class__ is read.__class__ is thought.__class__ is written.__class__ is int
        and (
            0 <= given <= MOST_TOKENS
            and 0 <= spent <= MOST_TOKENS
            and 0 <= read <= MOST_TOKENS
            and 0 <= thought <= MOST_TOKENS
            and 0 <= written <= MOST_TOKENS
        )
    ):
        return Verdict(kind, message, given, spent, read, thought, written)
    return None
