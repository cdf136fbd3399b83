"""Embeddings in a result line, read as JSON text like any other answer.

Vectors that were asked for as base64 (little-endian float32, which is how
OpenAI's SDK asks for them) come out as the same numbers as the others.
"""

from __future__ import annotations

import base64
import sys
from array import array
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from batchline_shared.dialects.answers import NO_PROBLEM, as_json
from batchline_shared.outcomes import ErrorType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchline_shared.dialects.answers import Problem

__all__ = ["vectors_problem", "vectors_text"]

_NO_VECTOR: Final[Problem] = (ErrorType.INVALID_OUTPUT, "the answer holds no vector")
_NUMBERS: Final = {int, float}


def vectors_problem(embeddings: Sequence[Any]) -> Problem:
    """Say whether these are embeddings: at least one, and each a vector of numbers."""
    return NO_PROBLEM if _vectors(embeddings) is not None else _NO_VECTOR


def vectors_text(embeddings: Sequence[Any]) -> str | None:
    """Write embeddings as JSON.

    Args:
        embeddings: Arrays of numbers or base64, in the order of the request's inputs.

    Returns:
        `[0.1, …]` for one, `[[0.1, …], …]` for several; None where one of them is no vector.
    """
    vectors = _vectors(embeddings)
    if vectors is None:
        return None
    return as_json(vectors[0] if len(vectors) == 1 else vectors)


def _vectors(embeddings: Sequence[Any]) -> list[list[float]] | None:
    vectors: list[list[float]] = []
    for embedding in embeddings:
        vector = _decoded(embedding) if isinstance(embedding, str) else embedding
        # A null among the numbers is what some servers make of NaN.
        if not isinstance(vector, list) or not vector or not _NUMBERS.issuperset(map(type, vector)):
            return None
        vectors.append(vector)
    return vectors or None


def _decoded(text: str) -> list[float] | None:
    numbers = array("f")
    try:
        numbers.frombytes(base64.b64decode(text, validate=True))
    except ValueError:
        return None
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist() if all(map(isfinite, numbers)) else None
