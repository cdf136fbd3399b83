"""What tells one dialect of JSON schema from another.

Everything else is shared: the walk, the lint's texts and the builder. A
dialect is one value of this class, so that a construct can be compared across
dialects by reading one field of each.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from batchline_shared.schemas.keywords import Kept
from batchline_shared.schemas.problems import Problem
from batchline_shared.schemas.tree import Schema

__all__ = ["NodeCheck", "RootCheck", "Rules", "unlimited"]

NodeCheck = Callable[[Schema], Iterator[str]]
"""Finds what is wrong with one schema, without its children. Yields texts without a path."""

RootCheck = Callable[[Schema, str], Iterator[Problem]]
"""Finds what is wrong with a whole schema. Takes its root and the model's name."""


def _as_it_is(node: Schema) -> Schema:
    return node


def unlimited(root: Schema, name: str) -> Iterator[Problem]:  # noqa: ARG001 - the shape of a RootCheck
    """Find no limit exceeded."""
    return iter(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """One dialect."""

    name: str
    """Who would refuse a model, as an error calls it: `OpenAI strict mode`."""

    kept: Kept
    """Which keywords are sent; the others that say something become words."""

    refused: frozenset[str]
    """Keywords that neither can be sent nor put into words without a change of meaning."""

    checks: tuple[NodeCheck, ...]
    """What else is wrong with a schema, seen by itself."""

    root_checks: tuple[RootCheck, ...] = ()
    """What else is wrong with the schema as a whole, as Pydantic wrote it."""

    references: bool = True
    """Whether definitions are sent. If not, each is written out wherever it is used."""

    spared: int = 0
    """How many fields of `X | None = None`, the first ones, are left out instead of being null."""

    prepared: Callable[[Schema], Schema] = _as_it_is
    """Rewrites one of Pydantic's schemas into what the dialect can say. Returns a new dict."""

    finished: Callable[[Schema], Schema] = _as_it_is
    """Translates the whole schema once it is written. Returns a new dict."""

    limits: RootCheck = unlimited
    """Which limits the finished schema exceeds."""
