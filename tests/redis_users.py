"""The users of Redis that `docs/security.md` gives."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["as_user", "documented_users"]

_DOCUMENT = Path(__file__).parents[1] / "docs" / "security.md"


def documented_users() -> list[list[str]]:
    """The `ACL SETUSER` lines of the documentation, as arguments."""
    lines = re.findall(r"^ACL SETUSER (.+)$", _DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    return [line.split() for line in lines]


def as_user(url: str, name: str) -> str:
    """The address for one of them."""
    return url.replace("redis://", f"redis://{name}:{name}-password@")
