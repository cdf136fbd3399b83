"""What is wrong with the `params` of one request: told in its result line, not when the batch is created.

Messages are the provider's where one was seen; `_UNVERIFIED` holds the others.
"""

from collections.abc import Callable, Iterator
from typing import Any

from batchline_simulator.anthropic import models
from batchline_simulator.anthropic.errors import Problem
from batchline_simulator.anthropic.tools import format_problem, tools_problem, unanswered_call
from batchline_simulator.config import SimulatorConfig

Params = dict[str, Any]

STRICT_VERSION = "2026-10-21"
"""From this version of the API on, sampling parameters are refused even at their defaults."""

SAMPLING = ("temperature", "top_p", "top_k")

_KNOWN = frozenset(
    [
        *SAMPLING,
        *("cache_control", "container", "context_management", "diagnostics", "inference_geo", "max_tokens"),
        *("mcp_servers", "messages", "metadata", "model", "output_config", "service_tier", "speed"),
        *("stop_sequences", "stream", "system", "thinking", "tool_choice", "tools", "user_profile_id"),
    ]
)
_MIN_THINKING_TOKENS = 1024
_UNVERIFIED = {
    "stream": "stream: Streaming is not supported in batches",
    "speed": "speed: Fast mode is not supported in batches",
    "sampling": "{name}: not supported with anthropic-version {version}",
    "document": "messages.{place}: document blocks are not supported in assistant messages",
    "citations": "messages.{place}: citations are not supported on user text blocks",
}


def sampling_problem(params: Params, version: str) -> str | None:
    """Return what the API's version says of a sampling parameter, or None."""
    given = next((name for name in SAMPLING if params.get(name) is not None), None)
    if given is None or version < STRICT_VERSION:
        return None
    return _UNVERIFIED["sampling"].format(name=given, version=version)


class Rules:
    """The rules of one version of the API."""

    def __init__(self, version: str, config: SimulatorConfig) -> None:
        self._version = version
        self._config = config

    def problem(self, params: Params) -> Problem | None:
        """Return the first thing that is wrong with a request, or None."""
        if params.get("model") in self._config.unsupported_models:
            return Problem(f"model: {params['model']}", "not_found_error")
        return next(map(Problem, self._messages(params)), None)

    def _messages(self, params: Params) -> Iterator[str]:
        rules: tuple[Callable[[Params], str | None], ...] = (
            _bad_fields,
            _bad_max_tokens,
            _bad_messages,
            unanswered_call,
            _bad_mode,
            self._bad_sampling,
            self._bad_blocks,
            _bad_thinking,
            tools_problem,
            format_problem,
        )
        # Later rules may rely on what earlier ones have checked.
        for rule in rules:
            if (found := rule(params)) is not None:
                yield found
                return

    def _bad_sampling(self, params: Params) -> str | None:
        given = next((name for name in SAMPLING if params.get(name) is not None), None)
        if given is not None and not models.takes_sampling(params["model"]):
            return f"`{given}` is deprecated for this model."
        return sampling_problem(params, self._version) if self._config.anthropic_sampling != "take" else None

    def _bad_blocks(self, params: Params) -> str | None:
        if self._version < STRICT_VERSION:
            return None
        for place, turn in enumerate(params["messages"]):
            for block in turn["content"] if isinstance(turn["content"], list) else ():
                if turn["role"] == "assistant" and block.get("type") == "document":
                    return _UNVERIFIED["document"].format(place=place)
                if turn["role"] == "user" and block.get("type") == "text" and block.get("citations"):
                    return _UNVERIFIED["citations"].format(place=place)
        return None


def _bad_fields(params: Params) -> str | None:
    for name in ("model", "max_tokens", "messages"):
        if name not in params:
            return f"{name}: Field required"
    if not isinstance(params["model"], str):
        return "model: Input should be a valid string"
    unknown = next((name for name in params if name not in _KNOWN), None)
    return None if unknown is None else f"{unknown}: Extra inputs are not permitted"


def _bad_max_tokens(params: Params) -> str | None:
    wanted, model = params["max_tokens"], params["model"]
    if not isinstance(wanted, int) or isinstance(wanted, bool):
        return "max_tokens: Input should be a valid integer"
    if wanted < 1:
        return "max_tokens: Input should be greater than or equal to 1"
    most = models.max_output_tokens(model)
    if most is not None and wanted > most:
        return (
            f"max_tokens: {wanted} > {most}, which is the maximum allowed number of output tokens for {model}"
        )
    return None


def _bad_messages(params: Params) -> str | None:
    turns = params["messages"]
    if not isinstance(turns, list):
        return "messages: Input should be a valid list"
    if not turns:
        return "messages: at least one message is required"
    return next(
        filter(None, (_bad_turn(f"messages.{place}", turn) for place, turn in enumerate(turns))), None
    )


def _bad_turn(where: str, turn: Any) -> str | None:
    if not isinstance(turn, dict) or not isinstance(turn.get("role"), str):
        return f"{where}.role: Field required"
    if turn["role"] == "system":
        return (
            'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter,'
            ' not "system" as an input message role.'
        )
    if turn["role"] not in ("user", "assistant"):
        return f"{where}.role: Input should be 'user' or 'assistant'"
    return _bad_content(f"{where}.content", turn)


def _bad_content(where: str, turn: dict[str, Any]) -> str | None:
    content = turn.get("content")
    if isinstance(content, str):
        return None
    if not isinstance(content, list):
        return f"{where}: {'Input should be a valid list' if 'content' in turn else 'Field required'}"
    for place, block in enumerate(content):
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            return f"{where}.{place}.type: Field required"
        if block["type"] == "text" and not block.get("text"):
            return "messages: text content blocks must be non-empty"
    return None


def _bad_mode(params: Params) -> str | None:
    if params.get("stream"):
        return _UNVERIFIED["stream"]
    return _UNVERIFIED["speed"] if params.get("speed") == "fast" else None


def _bad_thinking(params: Params) -> str | None:
    thinking = params.get("thinking") or {}
    if thinking.get("type") != "enabled":
        return None
    budget = thinking.get("budget_tokens")
    if not isinstance(budget, int):
        return "thinking.enabled.budget_tokens: Field required"
    if budget < _MIN_THINKING_TOKENS:
        return (
            f"thinking.enabled.budget_tokens: Input should be greater than or equal to {_MIN_THINKING_TOKENS}"
        )
    return (
        "`max_tokens` must be greater than `thinking.budget_tokens`."
        if budget >= params["max_tokens"]
        else None
    )
