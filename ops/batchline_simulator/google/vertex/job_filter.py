"""The filter language of list calls: `state="JOB_STATE_RUNNING" AND labels.run_id="r1"`.

As in all of Google's filters, OR binds tighter than AND. `:` matches with `*`
as a wildcard; `labels.key:*` asks whether there is such a label.

Source:
    REST reference of projects.locations.batchPredictionJobs.list; google.aip.dev/160.
"""

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

Job = dict[str, Any]
Test = Callable[[Job], bool]

_TOKENS = re.compile(
    r"""\s*(?:([()])|(<=|>=|!=|[=<>:])|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s()=<>!:"']+))"""
)
_FIELDS = {
    "displayName": "displayName",
    "display_name": "displayName",
    "modelDisplayName": "model",
    "model_display_name": "model",
    "state": "state",
    "createTime": "createTime",
    "create_time": "createTime",
    "updateTime": "updateTime",
    "update_time": "updateTime",
}
_COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "=": lambda found, wanted: found == wanted,
    "!=": lambda found, wanted: found != wanted,
    "<": lambda found, wanted: found < wanted,
    "<=": lambda found, wanted: found <= wanted,
    ">": lambda found, wanted: found > wanted,
    ">=": lambda found, wanted: found >= wanted,
}


class FilterError(ValueError):
    """The text is no filter that jobs can be listed by."""


def job_filter(text: str) -> Test:
    """Read a filter; an empty one lets every job pass.

    Raises:
        FilterError: It cannot be read, or names a field that jobs are not listed by.
    """
    parser = _Parser(text)
    return parser.whole() if text.strip() else lambda _: True


class _Parser:
    """A recursive descent over the tokens."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        at, text = 0, text.rstrip()
        while at < len(text):
            found = _TOKENS.match(text, at)
            if found is None:
                raise FilterError(f"cannot read the filter at {text[at:]!r}")
            bracket, sign, double, single, word = found.groups()
            quoted = double if double is not None else single
            if quoted is not None:
                self._tokens.append(("value", re.sub(r"\\(.)", r"\1", quoted)))
            else:
                self._tokens.append(("word", word) if word else ("sign", bracket or sign))
            at = found.end()
        self._at = 0

    def whole(self) -> Test:
        test = self._all()
        if self._at < len(self._tokens):
            raise FilterError(f"unexpected {self._tokens[self._at][1]!r}")
        return test

    def _all(self) -> Test:
        tests = [self._any()]
        while self._skip("word", "AND") or self._peek() in (("word", "NOT"), ("sign", "(")):
            tests.append(self._any())
        return lambda job: all(test(job) for test in tests)

    def _any(self) -> Test:
        tests = [self._one()]
        while self._skip("word", "OR"):
            tests.append(self._one())
        return lambda job: any(test(job) for test in tests)

    def _one(self) -> Test:
        if self._skip("word", "NOT"):
            inner = self._one()
            return lambda job: not inner(job)
        if self._skip("sign", "("):
            inner = self._all()
            if not self._skip("sign", ")"):
                raise FilterError("a bracket is not closed")
            return inner
        return self._comparison()

    def _comparison(self) -> Test:
        kind, name = self._take()
        _, sign = self._take()
        value_kind, value = self._take()
        if kind != "word" or value_kind in {"sign", "end"} or sign not in {*_COMPARISONS, ":"}:
            raise FilterError(f"cannot compare {name!r}")
        read = _reader(name)
        if sign == ":":
            return lambda job: _matches(read(job), value)
        compare = _COMPARISONS[sign]
        return lambda job: (found := read(job)) is not None and compare(found, value)

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _take(self) -> tuple[str, str]:
        token = self._peek()
        self._at += 1
        return token

    def _skip(self, kind: str, text: str) -> bool:
        found = self._peek() == (kind, text)
        self._at += found
        return found


def _reader(name: str) -> Callable[[Job], str | None]:
    if name.startswith("labels."):
        key = name.removeprefix("labels.")
        return lambda job: job.get("labels", {}).get(key)
    if name not in _FIELDS:
        raise FilterError(f"jobs cannot be listed by {name!r}")
    field = _FIELDS[name]
    return lambda job: job.get(field)


def _matches(found: str | None, pattern: str) -> bool:
    # Only `*` is a wildcard here; the brackets and question marks of fnmatch are letters.
    literal = re.sub(r"[\[\]?]", lambda sign: f"[{sign[0]}]", pattern)
    return found is not None and fnmatchcase(found, literal)
