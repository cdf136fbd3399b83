"""What Vertex demands of a job's rows together, before any of them runs.

All rows are loaded into one table, whose columns are every path that any row
has. So rows that are fine each by itself can still fail the whole job: by a
key with two types, a name that is no column, a second response schema.

Wordings in `_CAPTURED` are Google's own; the others say the same in ours.
"""

import re
from collections.abc import Iterator
from typing import Any

import orjson

from batchline_simulator.google.generate_request import either

_CAPTURED = {
    "column": (
        'The column or property "{}" in the specified input data is of unsupported type. Supported types for'
        " this column are: [STRING, INTEGER, FLOAT, BOOLEAN, TIMESTAMP, DATE, DATETIME, NUMERIC]."
    ),
    "prefix": (
        "Failed to import data. Please check 'Prepare input' section of the batch predictions documentation. "
    ),
    "depth": "Schema nested too deeply, at least 16 compared to the maximum allowed level of 15",
}
MAX_LEVELS = 15
MAX_ROWS = 200_000
MAX_FILE_BYTES = 1_000_000_000
_COLUMN = re.compile(r"[^\W\d]\w{0,299}")
_SCHEMA_KEYS = frozenset({"responseSchema", "response_schema", "responseJsonSchema", "response_json_schema"})
_NEVER_NULL = frozenset({"type", "enum", "required", "properties", "items", "anyOf", "any_of"})
_NUMBER_KINDS = frozenset({"INTEGER", "FLOAT"})

Shape = dict[str, Any]
"""The union of the objects at one place: each key with the shape of the objects below it."""


class ImportRefusedError(Exception):
    """The rows cannot be loaded; the text is the job's error message."""


def refusal(problem: str) -> ImportRefusedError:
    """Write the error of a job whose rows cannot be loaded."""
    return ImportRefusedError(_CAPTURED["prefix"] + problem)


class Importer:
    """Takes rows one after another and remembers what they must agree on."""

    def __init__(self) -> None:
        self.shape: Shape = {}
        """Of the requests seen so far; what `echoed` fills up with nulls."""
        self.rows = 0
        self._kinds: dict[tuple[str, ...], str] = {}
        self._schema: bytes | None = None

    def add(self, line: bytes) -> dict[str, Any]:
        """Take one line and return its request.

        Raises:
            ImportRefusedError: It cannot be loaded together with the lines before it.
        """
        self.rows += 1
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            raise refusal(f"Error while reading data: line {self.rows} is no valid JSON.") from None
        if not isinstance(row, dict) or not isinstance(row.get("request"), dict):
            raise refusal(f'Error while reading data: line {self.rows} has no object "request".')
        for name, value in row.items():
            if name != "request" and isinstance(value, dict | list):
                raise ImportRefusedError(_CAPTURED["column"].format(name))
        self._take(row, (), 0, in_schema=False)
        _merge(self.shape, row["request"])
        self._one_schema(row["request"])
        if self.rows > MAX_ROWS:
            raise refusal(f"The input has more than {MAX_ROWS} requests.")
        return dict(row["request"])

    def _take(self, values: dict[str, Any], path: tuple[str, ...], level: int, *, in_schema: bool) -> None:
        if level > MAX_LEVELS:
            raise refusal(_CAPTURED["depth"])
        if not values and path:
            raise refusal(f"Unsupported empty struct type for field '{'.'.join(path)}'.")
        for key, value in values.items():
            if _COLUMN.fullmatch(key) is None:
                raise refusal(
                    f'Invalid field name "{key}". Fields must contain only letters, numbers, and underscores.'
                )
            below, schema = (*path, key), in_schema or key in _SCHEMA_KEYS
            if value is None and schema and key in _NEVER_NULL:
                raise refusal(f"Field '{'.'.join(below)}' is required and must not be null.")
            self._agree(below, value)
            for part in _objects(value):
                self._take(part, below, level + 1, in_schema=schema)

    def _agree(self, path: tuple[str, ...], value: Any) -> None:
        """Hold one value against the kind that its path has in earlier rows."""
        for kind in _kinds_of(value):
            place = path if not kind.startswith("[]") else (*path, "[]")
            known = self._kinds.setdefault(place, kind)
            if known != kind and not {known, kind} <= _NUMBER_KINDS:
                raise refusal(f"Field '{'.'.join(path)}' is {known} in one row and {kind} in another.")

    def _one_schema(self, request: dict[str, Any]) -> None:
        config = either(request, "generationConfig")
        schema = either(config, "responseSchema") or either(config, "responseJsonSchema")
        if schema is None:
            return
        found = orjson.dumps(schema, option=orjson.OPT_SORT_KEYS)
        if self._schema not in (None, found):
            raise refusal("The rows have more than one response schema.")
        self._schema = found


def echoed(value: Any, shape: Shape) -> Any:
    """Show a request as the job's output does: with null for each key that other rows have there."""
    if isinstance(value, list):
        return [echoed(part, shape) for part in value]
    if not isinstance(value, dict):
        return value
    return {key: echoed(value.get(key), below) for key, below in shape.items()}


def _merge(shape: Shape, values: dict[str, Any]) -> None:
    for key, value in values.items():
        below = shape.setdefault(key, {})
        for part in _objects(value):
            _merge(below, part)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Return the objects at a place, whether it holds one or a list of them."""
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _objects(part)


def _kinds_of(value: Any) -> Iterator[str]:
    """Name the column type of a value, and those of a list's elements behind `[]`; null has none."""
    names = {bool: "BOOLEAN", int: "INTEGER", float: "FLOAT", str: "STRING", dict: "RECORD", list: "REPEATED"}
    if value is None:
        return
    yield names[type(value)]
    if isinstance(value, list):
        for part in value:
            if part is not None:
                yield "[]" + names[type(part)]
