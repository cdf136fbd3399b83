"""The two sampling parameters that every provider has, checked once for all of them."""

from __future__ import annotations

from typing import Any

from batchline_shared.errors import InvalidInputError

__all__ = ["check_sampling"]


def check_sampling(max_tokens: Any, temperature: Any, *, highest_temperature: float) -> None:
    """Refuse values that are out of range.

    Args:
        max_tokens: None, or a whole number of at least 1.
        temperature: None, or a number from 0 on.
        highest_temperature: The most that the provider takes.

    Raises:
        InvalidInputError: Names the parameter and its range.
    """
    if max_tokens is not None and not (_is_number(max_tokens, int) and max_tokens >= 1):
        raise InvalidInputError(f"max_tokens must be a whole number of at least 1, not {max_tokens!r}")
    if temperature is not None and not (
        _is_number(temperature, int | float) and 0 <= temperature <= highest_temperature
    ):
        raise InvalidInputError(
            f"temperature must be a number between 0 and {highest_temperature:g}, not {temperature!r}"
        )


def _is_number(value: Any, kinds: Any) -> bool:
    # A bool is an int to isinstance, and `true` is no number of tokens.
    return isinstance(value, kinds) and not isinstance(value, bool)
