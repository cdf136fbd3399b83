"""The words of a JSON schema: what may be named of an answer without quoting it."""

from __future__ import annotations

from typing import Any

__all__ = ["schema_words"]


def schema_words(schema: Any) -> frozenset[str]:
    """Every word of a schema: the names of its fields, its models and its literals are among them."""
    pending = [schema]
    names: set[str] = set()
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending += node
        elif isinstance(node, dict):
            names.update(node)  # the names of fields and models among the schema's own words
            pending += node.values()
        elif isinstance(node, str):
            names.add(node)  # the values of literals, among titles and the like
    return frozenset(names)
