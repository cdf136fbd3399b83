"""The demo's model: reads a question as a weak model would, and often enough gets it wrong.

The simulator loads it by name. It knows nothing but the text that it is given:
it skims for the first thing that looks like an answer, so a README that speaks
of another licence or an older Python misleads it.
"""

from __future__ import annotations

import re
from typing import Any, Final

__all__ = ["answer"]

_NAMED: Final = re.compile(
    r"(?:release|version) (?P<version1>\d[\w.]*\w) of (?P<name1>\w[\w.-]*\w)"
    r"|(?P<name2>\w[\w.-]*\w),? (?:release |version )?v?(?P<version2>\d+\.\d[\w.]*\w|\d+\.\d)",
    re.IGNORECASE,
)
_SUMMARY: Final = re.compile(r"“(.*?)”|Tagline: (.*)")
_PYTHON: Final = re.compile(r"Python\s*\(?[<>=!~\s]*(\d+\.\d+)", re.IGNORECASE)
_NEEDS: Final = re.compile(r"\bdepends on (.+?)\.(?:\s|\)|$)", re.DOTALL)

_LICENSES: Final = {
    "MIT": r"\bMIT\b",
    "BSD": r"\bBSD\b",
    "Apache": r"\bApache\b",
    "MPL": r"\bMPL\b|Mozilla Public",
    "PSF": r"\bPSF\b|Python Software Foundation",
    "ISC": r"\bISC\b",
    "several": r"\bdual[ -]licen[cs]ed?\b",
}
_MATURITIES: Final = {
    "planning": r"\bplanning\b",
    "pre-alpha": r"\bpre-alpha\b",
    "alpha": r"(?<!-)\balpha\b",
    "beta": r"\bbeta\b",
    "stable": r"\bstable\b",
    "mature": r"\bmature\b",
    "inactive": r"\binactive\b",
}
_KINDS: Final = {
    "type_stubs": r"\bstubs\b",
    "command_line_tool": r"\bcommand[ -]line\b",
    "plugin": r"\bplug-?ins?\b",
    "library": r"\blibrary\b",
}


def answer(body: dict[str, Any]) -> dict[str, Any]:
    """Answer the last turn of a request's body, whichever provider's it is."""
    text = _last_turn(body)
    name, version = _name_and_version(text)
    summary = _SUMMARY.search(text)
    python = _PYTHON.search(text)
    return {
        "name": name,
        "version": version,
        "summary": next((part for part in summary.groups() if part), "") if summary else "",
        "license": _first_mentioned(_LICENSES, text, "other"),
        "min_python": python[1] if python else None,
        "maturity": _first_mentioned(_MATURITIES, text, "unstated"),
        "kind": _first_mentioned(_KINDS, text, "library"),
        "dependencies": _dependencies(text),
    }


def _last_turn(body: dict[str, Any]) -> str:
    """Find the question in OpenAI's and Anthropic's messages, or in Google's contents."""
    turn = (body.get("messages") or body["contents"])[-1]
    said = turn.get("content", turn.get("parts"))
    return said if isinstance(said, str) else "".join(str(part.get("text", "")) for part in said)


def _name_and_version(text: str) -> tuple[str, str]:
    for found in _NAMED.finditer(text):
        name = found["name1"] or found["name2"]
        # Even a weak model knows that Python is not the package.
        if name.lower() not in {"python", "version", "release", "cpython"}:
            return name, found["version1"] or found["version2"]
    return "unknown", "0"


def _first_mentioned(patterns: dict[str, str], text: str, default: str) -> str:
    """The word whose pattern matches earliest in the text."""
    places = {
        word: found.start()
        for word, pattern in patterns.items()
        if (found := re.search(pattern, text, re.IGNORECASE))
    }
    return min(places, key=places.__getitem__) if places else default


def _dependencies(text: str) -> int:
    found = _NEEDS.search(text)
    if found is None or found[1] == "nothing else":
        return 0
    return len(re.split(r", | and ", found[1]))
