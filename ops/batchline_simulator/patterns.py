r"""Strings that match a simple regular expression.

Understood: literals, escapes (\d \w \s), classes and ranges, groups, `|`, and
the quantifiers ? * + {m} {m,} {m,n}. Look-around and back-references are not;
a pattern that uses them raises `UnsupportedPatternError`.
"""

import random
import re
import string

_SETS = {"d": string.digits, "w": string.ascii_letters + string.digits + "_", "s": " "}
_ANY = string.ascii_lowercase
_PRINTABLE = [chr(code) for code in range(32, 127)]
_SPREAD = 3
"""Repetitions that an open quantifier makes beyond its minimum, at most."""
_COUNTS = re.compile(r"\{(\d+)(,?)(\d*)\}")


class UnsupportedPatternError(ValueError):
    """The pattern uses something that this module cannot invent strings for."""


def matching(pattern: str, rng: random.Random) -> str:
    """Invent a string that the pattern matches from end to end.

    Raises:
        UnsupportedPatternError: The pattern is not a simple one.
    """
    maker = _Maker(pattern, rng)
    made = maker.alternatives()
    if maker.at < len(pattern) or re.search(pattern, made) is None:
        raise UnsupportedPatternError(pattern)
    return made


class _Maker:
    """A recursive descent over the pattern that writes as it reads."""

    def __init__(self, pattern: str, rng: random.Random) -> None:
        self._pattern = pattern
        self._rng = rng
        self.at = 0

    def alternatives(self) -> str:
        made = [self._sequence()]
        while self._peek() == "|":
            self.at += 1
            made.append(self._sequence())
        return self._rng.choice(made)

    def _sequence(self) -> str:
        parts: list[str] = []
        while self._peek() not in ("", "|", ")"):
            start = self.at
            part = self._atom()
            end = self.at
            low, high = self._counts()
            after = self.at
            repeats = self._rng.randint(low, high)
            parts.append(part if repeats else "")
            for _ in range(repeats - 1):
                # Read again, so that every repetition draws anew.
                self.at = start
                parts.append(self._atom())
                self.at = end
            self.at = after
        return "".join(parts)

    def _atom(self) -> str:
        char = self._take()
        if char in "^$":
            return ""
        if char == "(":
            return self._group()
        if char == "[":
            return self._rng.choice(self._class())
        if char == "\\":
            return self._rng.choice(self._escaped())
        if char in "*+?{":
            raise UnsupportedPatternError(self._pattern)
        return self._rng.choice(_ANY) if char == "." else char

    def _group(self) -> str:
        if self._peek() == "?":
            if not self._pattern.startswith("?:", self.at):
                raise UnsupportedPatternError(self._pattern)
            self.at += 2
        made = self.alternatives()
        if self._take() != ")":
            raise UnsupportedPatternError(self._pattern)
        return made

    def _class(self) -> str:
        negated = self._peek() == "^"
        self.at += negated
        chars = ""
        while (char := self._take()) != "]":
            first = self._escaped() if char == "\\" else char
            if len(first) == 1 and self._peek() == "-" and self._pattern[self.at + 1 : self.at + 2] != "]":
                self.at += 1
                first = "".join(map(chr, range(ord(first), ord(self._take()) + 1)))
            chars += first
        allowed = "".join(c for c in _PRINTABLE if c not in chars) if negated else chars
        if not allowed:
            raise UnsupportedPatternError(self._pattern)
        return allowed

    def _escaped(self) -> str:
        char = self._take()
        if char.isalnum() and char not in _SETS:
            raise UnsupportedPatternError(self._pattern)
        return _SETS.get(char, char)

    def _counts(self) -> tuple[int, int]:
        char = self._peek()
        simple = {"?": (0, 1), "*": (0, _SPREAD), "+": (1, 1 + _SPREAD)}
        if char in simple and char:
            self.at += 1
            return simple[char]
        found = _COUNTS.match(self._pattern, self.at)
        if found is None:
            return 1, 1
        self.at = found.end()
        low = int(found[1])
        if not found[2]:
            return low, low
        return low, int(found[3]) if found[3] else low + _SPREAD

    def _peek(self) -> str:
        return self._pattern[self.at : self.at + 1]

    def _take(self) -> str:
        if self.at >= len(self._pattern):
            raise UnsupportedPatternError(self._pattern)
        self.at += 1
        return self._pattern[self.at - 1]
