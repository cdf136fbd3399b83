"""The user's document: its Python blocks, with nothing changed but the import."""

from __future__ import annotations

import ast
import re
from pathlib import Path

PATH = Path(__file__).parents[3] / "shared" / "seed" / "batch-processing.md"

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[str]:
    """Every Python block, in order; none where the document is missing."""
    if not PATH.exists():
        return []
    text = PATH.read_text(encoding="utf-8")
    return [found.replace("instructor.batch", "batchline.batch") for found in _BLOCK.findall(text)]


def stands_alone(block: str) -> bool:
    """Whether a block is a whole program; the others go on with the names of those before."""
    return any(isinstance(node, ast.ClassDef) for node in ast.parse(block).body)


def last_statement(block: str) -> str:
    """The last statement of a block, as it is written."""
    return ast.unparse(ast.parse(block).body[-1])
