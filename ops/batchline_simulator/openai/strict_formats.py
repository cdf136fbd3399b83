"""A JSON schema that a request wants its answer in, checked as each endpoint words it."""

import re
from typing import Any

import orjson

from batchline_simulator.openai.errors import RowError, envelope, invalid_value, missing
from batchline_simulator.openai.strict_schema import strict_violation

_NAME = re.compile(r"[a-zA-Z0-9_-]+")
_MAX_NAME = 64
_MAX_CACHED = 256


class StrictFormats:
    """Checks the formats of one endpoint, and remembers those it has seen."""

    def __init__(self, path: str, *, schema_param: str) -> None:
        """Keep where the format stands in a body.

        Args:
            path: Of the object with `name`, `schema` and `strict`, such as `text.format`.
            schema_param: What the provider names as `param` where the schema breaks a rule.
        """
        self._path = path
        self._schema_param = schema_param
        # A batch repeats a few schemas thousands of times.
        self._violations: dict[bytes, str | None] = {}

    def rejection(self, wanted: Any) -> RowError | None:
        """Return the 400 that a format gets, or None."""
        if not isinstance(wanted, dict):
            return missing(self._path)
        for part in ("name", "schema"):
            if part not in wanted:
                return missing(f"{self._path}.{part}")
        name = str(wanted["name"])
        if (bad := self._bad_name(name)) is not None:
            return bad
        violation = self._violation(name, wanted["schema"]) if wanted.get("strict") else None
        if violation is None:
            return None
        error = envelope(violation, param=self._schema_param, code="invalid_json_schema")["error"]
        return RowError(400, error)

    def _bad_name(self, name: str) -> RowError | None:
        param = f"{self._path}.name"
        if len(name) > _MAX_NAME:
            problem = f"string too long. Expected a string with maximum length {_MAX_NAME}."
            return invalid_value(param, problem, "string_above_max_length")
        if _NAME.fullmatch(name) is None:
            problem = f"string does not match pattern. Expected a string that matches '^{_NAME.pattern}$'."
            return invalid_value(param, problem)
        return None

    def _violation(self, name: str, schema: Any) -> str | None:
        key = name.encode() + b"\0" + orjson.dumps(schema)
        if key in self._violations:
            return self._violations[key]
        violation = strict_violation(name, schema)
        if len(self._violations) < _MAX_CACHED:
            self._violations[key] = violation
        return violation
