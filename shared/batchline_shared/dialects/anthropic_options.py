"""What options of an Anthropic request may be, and what has to go because of others in the same body.

An option that no table names passes as it is: Anthropic adds some all the time.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from batchline_shared.dialects.anthropic_models import takes_sampling
from batchline_shared.dialects.openai_options import Rule, check_options, number, text, whole, words
from batchline_shared.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SAMPLING", "check_anthropic_options", "check_body", "thinks", "unsampled"]

SAMPLING: Final = ("temperature", "top_p", "top_k")

_LEAST_BUDGET_TOKENS: Final = 1024
_MOST_USER_LETTERS: Final = 256
_NO_TOOLS: Final = "an answer must be the result, not a call to a tool"
_NO_STREAM: Final = "a batch cannot stream"
_MADE: Final = "it is made from the response model"

_RESERVED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "model": "give it as 'provider/model-name'",
        "messages": "give them as the request's messages",
        "custom_id": "give it as the request's custom_id",
        "params": "give its fields as options themselves",
        "extra_body": "give its fields as options themselves",
        "extra_headers": "a request of a batch has no headers",
        "betas": "a request of a batch has no headers",
        "stream": _NO_STREAM,
        "speed": "a batch has no fast mode",
        "tools": _NO_TOOLS,
        "tool_choice": _NO_TOOLS,
        "mcp_servers": _NO_TOOLS,
        "container": _NO_TOOLS,
        "response_format": _MADE,
        "output_format": _MADE,
        "n": "a request has one outcome, so one answer",
        "stop": "Anthropic calls it stop_sequences",
        "seed": "Anthropic has none",
        "user": "Anthropic takes it as metadata={'user_id': …}",
        "reasoning_effort": "Anthropic takes it as output_config={'effort': …}",
        "max_completion_tokens": "give it as max_tokens",
    }
)
"""Options that cannot be set, and why: in every line Anthropic would refuse them, or answer otherwise."""


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) and one for one in value)


def _is_metadata(value: Any) -> bool:
    if not isinstance(value, dict) or value.keys() - {"user_id"}:
        return False
    user = value.get("user_id")
    return user is None or (isinstance(user, str) and len(user) <= _MOST_USER_LETTERS)


def _is_system(value: Any) -> bool:
    if isinstance(value, str):
        return value != ""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, dict) and isinstance(one.get("text"), str) for one in value)
    )


def _is_output(value: Any) -> bool:
    return isinstance(value, dict) and "format" not in value


def _has_type(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("type"), str)


_RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "cache_control": Rule("an object with a type, such as {'type': 'ephemeral'}", _has_type),
        "metadata": Rule("an object with a user_id of at most 256 characters", _is_metadata),
        "output_config": Rule("an object without a format, which the response model makes", _is_output),
        "service_tier": words("auto", "standard_only"),
        "stop_sequences": Rule("a list of texts that are not empty", _is_texts),
        "system": Rule("text, or a list of blocks with text", _is_system),
        "thinking": Rule("an object with a type, such as {'type': 'adaptive'}", _has_type),
        "inference_geo": text(),
        "max_tokens": whole(1),
        "temperature": number(0, 1),
        "top_p": number(0, 1),
        "top_k": whole(0),
    }
)
"""Options that are known. Source: the anthropic package's `MessageCreateParams`, 2.12.0."""


def check_anthropic_options(options: Mapping[str, Any]) -> None:
    """Refuse options that would fail every request of a batch, or make its answer no result.

    Raises:
        InvalidInputError: Names the option and the reason.
    """
    check_options(options, reserved=_RESERVED, rules=_RULES)


def thinks(body: Mapping[str, Any]) -> bool:
    """Whether a body asks for thinking, beside which sampling and forced tools are refused."""
    thinking = body.get("thinking")
    return isinstance(thinking, dict) and thinking.get("type") in ("enabled", "adaptive")


def check_body(body: Mapping[str, Any]) -> None:
    """Refuse a body without `max_tokens`, or whose budget for thinking leaves nothing for the answer.

    Raises:
        InvalidInputError: Says what either must be.
    """
    if body.get("max_tokens") is None:
        raise InvalidInputError("max_tokens cannot be left out: Anthropic demands it")
    thinking = body.get("thinking")
    if not isinstance(thinking, dict) or thinking.get("type") != "enabled":
        return
    budget, most = thinking.get("budget_tokens"), body["max_tokens"]
    if type(budget) is not int or budget < _LEAST_BUDGET_TOKENS:
        raise InvalidInputError(
            f"thinking.budget_tokens must be a whole number of at least {_LEAST_BUDGET_TOKENS}"
        )
    if budget >= most:
        raise InvalidInputError(
            f"thinking.budget_tokens is {budget}, and max_tokens, which it is a part of, is {most}: "
            "raise max_tokens"
        )


def unsampled(body: Mapping[str, Any]) -> list[str]:
    """The sampling parameters that a body has to do without: those that the API would refuse in it.

    Newer models take none, none stands beside thinking, and of `temperature` and `top_p`
    Claude 4.1 and later take one.
    """
    given = [name for name in SAMPLING if body.get(name) is not None]
    if thinks(body) or not takes_sampling(str(body.get("model", ""))):
        return given
    return ["temperature"] if "temperature" in given and "top_p" in given else []
