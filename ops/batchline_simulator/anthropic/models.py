"""Which models refuse what. Names are compared by their beginning, as dates may follow.

Source:
    "Structured outputs" (Sept 2026) for forced tools and formats; users' reports of 2026 for sampling.
"""

_UNFORCED = ("claude-fable-5-", "claude-mythos-5-", "claude-opus-5-5", "claude-sonnet-5-5")
_UNSAMPLED = (
    "claude-opus-4-7",
    "claude-opus-4-8",
    "claude-opus-5",
    "claude-sonnet-5",
    "claude-haiku-5",
    "claude-fable-",
    "claude-mythos-5",
)
_UNFORMATTED = (
    "claude-2",
    "claude-3",
    "claude-opus-4-0",
    "claude-opus-4-1",
    "claude-opus-4-2025",
    "claude-sonnet-4-0",
    "claude-sonnet-4-2025",
)
_MAX_OUTPUT_TOKENS = {"claude-haiku-4-5": 64_000}
"""Of models for which a refusal was seen."""


def takes_forced_tools(model: str) -> bool:
    """Say whether `tool_choice` may be `tool` or `any`."""
    return not model.startswith(_UNFORCED)


def takes_sampling(model: str) -> bool:
    """Say whether `temperature`, `top_p` and `top_k` may be given, whatever the API's version."""
    return not model.startswith(_UNSAMPLED)


def takes_format(model: str) -> bool:
    """Say whether `output_config.format` may be given."""
    return not model.startswith(_UNFORMATTED)


def max_output_tokens(model: str) -> int | None:
    """Return the most that `max_tokens` may be, or None where that is not known."""
    return next((most for name, most in _MAX_OUTPUT_TOKENS.items() if model.startswith(name)), None)
