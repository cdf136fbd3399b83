"""The tools: where each one's script, packages and version are."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from peers.environments import LOCKS, peer_python

__all__ = ["BY_HAND", "OURS", "PEERS", "TOOLS", "Tool"]


@dataclass(frozen=True)
class Tool:
    """One tool, and the interpreter that it is run with."""

    name: str
    """On the command line; its script is `drivers/<name>.py`, with `_` for `-`."""
    title: str
    distribution: str | None = None
    """As its lock names it; None: it runs in the project's own environment."""

    @property
    def module(self) -> str:
        """Its driver."""
        return f"peers.drivers.{self.name.replace('-', '_')}"

    @property
    def python(self) -> Path:
        """Its interpreter; installs its packages where that was not done yet."""
        return Path(sys.executable) if self.distribution is None else peer_python(self.name)

    @property
    def version(self) -> str | None:
        """The version that its lock pins, or ours; None of a script."""
        if self.distribution is None:
            return version("batchline") if self is OURS else None
        lock = (LOCKS / f"{self.name}.lock").read_text()
        found = re.search(rf"^{re.escape(self.distribution)}==(\S+)", lock, re.MULTILINE)
        return None if found is None else found[1]


OURS: Final = Tool("batchline", "**Batchline**")
BY_HAND: Final = Tool("by-hand", "a script by hand")
PEERS: Final = (
    Tool("curator", "Curator", "bespokelabs-curator"),
    Tool("pydantic-ai", "Pydantic AI", "pydantic-ai-slim"),
    Tool("steadybatch", "steadybatch", "steadybatch"),
    Tool("autobatcher", "autobatcher", "autobatcher"),
    Tool("relay-llm", "relay", "relay-llm"),
)
TOOLS: Final = {tool.name: tool for tool in (OURS, *PEERS, BY_HAND)}
"""In the order of the table's rows."""
