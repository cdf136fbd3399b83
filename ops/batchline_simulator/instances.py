"""Random values that are valid under a JSON schema.

Covers what structured outputs allow: `$ref` (recursive too), `anyOf`, `enum`,
`const`, formats, simple patterns, bounds, arrays and objects. A value that
cannot be invented raises nothing: the nearest one is returned, and the
client's own validation will tell.
"""

import random
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from batchline_simulator.patterns import UnsupportedPatternError, matching

Schema = Mapping[str, Any]

_DEEP = 4
"""Nesting from which on the shortest way out is taken."""
_WORDS = [
    "amber",
    "basil",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "harbor",
    "indigo",
    "jasper",
    "kelp",
    "lumen",
    "maple",
    "nectar",
    "onyx",
    "pebble",
    "quartz",
    "river",
    "sable",
    "timber",
    "umber",
    "velvet",
    "willow",
    "yarrow",
    "zephyr",
]


def words(rng: random.Random, low: int, high: int) -> str:
    """Return between `low` and `high` words, with single spaces."""
    return " ".join(rng.choices(_WORDS, k=rng.randint(low, high)))


class InstanceMaker:
    """Makes instances of one schema."""

    def __init__(self, schema: Schema, rng: random.Random) -> None:
        self._root = schema
        self._rng = rng

    def make(self) -> Any:
        """Return one instance."""
        return self._any(self._root, 0)

    def _any(self, schema: Schema | bool, depth: int) -> Any:  # noqa: FBT001 - `true` is a schema
        if isinstance(schema, bool) or not schema:
            return words(self._rng, 1, 3)
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._rng.choice(schema["enum"])
        for word in ("anyOf", "oneOf"):
            if word in schema:
                return self._any(self._branch(schema[word], depth), depth + 1)
        return self._typed(_type_of(schema, self._rng, deep=depth >= _DEEP), schema, depth)

    def _typed(self, kind: str, schema: Schema, depth: int) -> Any:
        makers: dict[str, Callable[[], Any]] = {
            "object": lambda: self._object(schema, depth),
            "array": lambda: self._array(schema, depth),
            "string": lambda: self._string(schema),
            "integer": lambda: self._integer(schema),
            "number": lambda: self._number(schema),
            "boolean": lambda: self._rng.random() < 0.5,  # noqa: PLR2004 - a fair coin
        }
        return makers[kind]() if kind in makers else None

    def _resolved(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            target: Any = self._root
            for step in schema["$ref"].lstrip("#").strip("/").split("/"):
                target = target[step.replace("~1", "/").replace("~0", "~")] if step else target
            schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
        for part in schema.get("allOf", ()):
            schema = {
                **self._resolved(part),
                **{key: value for key, value in schema.items() if key != "allOf"},
            }
        return schema

    def _branch(self, branches: list[Schema], depth: int) -> Schema:
        if depth < _DEEP:
            return self._rng.choice(branches)
        # A recursive branch is an object or an array of them; anything else ends the recursion.
        return min(branches, key=lambda branch: _weight(self._resolved(branch)))

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        required = schema.get("required", ())
        return {
            name: self._any(part, depth + 1)
            for name, part in schema.get("properties", {}).items()
            if name in required or (depth < _DEEP and self._rng.random() < 0.5)  # noqa: PLR2004 - a fair coin
        }

    def _array(self, schema: Schema, depth: int) -> list[Any]:
        low = int(schema.get("minItems", 0))
        high = low if depth >= _DEEP else min(int(schema.get("maxItems", low + 3)), low + 3)
        fixed = [self._any(part, depth + 1) for part in schema.get("prefixItems", ())]
        made = [
            self._any(schema.get("items", {}), depth + 1)
            for _ in range(self._rng.randint(low, high) - len(fixed))
        ]
        if schema.get("uniqueItems"):
            made = [item for place, item in enumerate(made) if item not in made[:place]]
        return fixed + made

    def _string(self, schema: Schema) -> str:
        if "pattern" in schema:
            try:
                return matching(schema["pattern"], self._rng)
            except UnsupportedPatternError:
                pass
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]](self._rng)
        low, high = schema.get("minLength", 0), schema.get("maxLength")
        text = words(self._rng, 2, 5)
        while len(text) < low:
            text += " " + words(self._rng, 2, 5)
        return text if high is None or len(text) <= high else text[: max(low, high)].rstrip().ljust(low, "x")

    def _integer(self, schema: Schema) -> int:
        low, high = _bounds(schema, step=1)
        multiple = schema.get("multipleOf", 1)
        return int(self._rng.randint(-(-int(low) // int(multiple)), int(high) // int(multiple)) * multiple)

    def _number(self, schema: Schema) -> float:
        low, high = _bounds(schema, step=0)
        if (multiple := schema.get("multipleOf")) is not None:
            return float(self._rng.randint(int(-(-low // multiple)), int(high // multiple)) * multiple)
        # The middle half keeps clear of exclusive bounds and of rounding at the ends.
        return round(low + (high - low) * self._rng.uniform(0.25, 0.75), 6) if high > low else float(low)


def _bounds(schema: Schema, *, step: int) -> tuple[float, float]:
    low = schema.get("minimum", schema["exclusiveMinimum"] + step if "exclusiveMinimum" in schema else None)
    high = schema.get("maximum", schema["exclusiveMaximum"] - step if "exclusiveMaximum" in schema else None)
    if low is None:
        low = 0 if high is None or high >= 0 else high - 1000
    return low, low + 1000 if high is None else high


def _type_of(schema: Schema, rng: random.Random, *, deep: bool) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        return "null" if deep and "null" in kind else str(rng.choice(kind))
    if kind is None:
        return "object" if "properties" in schema else "array" if "items" in schema else "string"
    return str(kind)


def _weight(schema: Schema) -> int:
    kind = schema.get("type")
    return {"null": 0, "object": 3, "array": 2}.get(kind, 1) if isinstance(kind, str) else 1


def _moment(rng: random.Random) -> datetime:
    return datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(200_000_000))


_FORMATS: dict[str, Callable[[random.Random], str]] = {
    "date-time": lambda rng: _moment(rng).strftime("%Y-%m-%dT%H:%M:%SZ"),
    "date": lambda rng: _moment(rng).strftime("%Y-%m-%d"),
    "time": lambda rng: _moment(rng).strftime("%H:%M:%SZ"),
    "duration": lambda rng: f"P{rng.randint(1, 30)}DT{rng.randint(1, 23)}H",
    "email": lambda rng: f"{rng.choice(_WORDS)}.{rng.choice(_WORDS)}@example.com",
    "hostname": lambda rng: f"{rng.choice(_WORDS)}.example.com",
    "ipv4": lambda rng: ".".join(str(rng.randint(1, 254)) for _ in range(4)),
    "ipv6": lambda rng: ":".join(f"{rng.randint(1, 65535):x}" for _ in range(8)),
    "uuid": lambda rng: str(uuid.UUID(int=rng.getrandbits(128), version=4)),
    "uri": lambda rng: f"https://example.com/{rng.choice(_WORDS)}",
}
