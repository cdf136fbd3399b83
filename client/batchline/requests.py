"""A request with options of its own, for jobs whose requests are not all alike."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from batchline_shared.errors import InvalidInputError

__all__ = ["BatchRequest", "check_many"]


class BatchRequest(BaseModel):
    """One conversation, and what sets it apart from the job's other requests."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    messages: list[dict[str, Any]] | str | list[str]
    """The conversation, oldest message first; for embeddings, a text or several."""
    custom_id: str | None = None
    """Its name in the job; either every request of a job has one, or none has."""
    max_tokens: int | None = None
    """Most tokens to generate; None: the job's."""
    temperature: float | None = None
    """Sampling temperature; None: the job's."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Further fields of the provider's request body, such as `seed`; they win over the job's."""


def check_many(values: object, expected: str) -> None:
    """Refuse what is no collection of values, though Python could iterate over it.

    Raises:
        InvalidInputError: It is text, bytes, a mapping, or cannot be iterated over.
    """
    if isinstance(values, str | bytes | dict) or not hasattr(values, "__iter__"):
        raise InvalidInputError(f"{expected}, not {type(values).__name__}")
