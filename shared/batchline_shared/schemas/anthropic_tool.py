"""The JSON schema for a tool's `input_schema` at Anthropic.

A plain tool, without `strict`, takes nearly all of JSON schema: recursions,
dicts, tuples and bounds are sent as they are. It promises less, too: the model
reads the schema, and nothing holds the answer to it.

Source:
    Anthropic's refusal of a tool: "Property keys should match pattern
    '^[a-zA-Z0-9_.-]{1,64}$'" (docs/schemas.md says where and when it was read).
"""

import re
from typing import Any, Final

from pydantic import BaseModel

from batchline_shared.schemas.keywords import BOUNDS, is_finite, is_plain_pattern
from batchline_shared.schemas.lint import LOGIC, choices, composition, named_by, object_root
from batchline_shared.schemas.rules import Rules
from batchline_shared.schemas.writer import written

__all__ = ["ANTHROPIC_TOOL", "anthropic_tool_schema"]

_keys: Final = named_by(
    re.compile(r"[a-zA-Z0-9_.-]{1,64}"),
    "Anthropic takes only letters a to z, digits, `_`, `.` and `-` in a tool's field names, 64 at most. "
    "Rename the field, or give it an alias: `Field(alias='...')`.",
)

_KEPT = frozenset(
    {
        "type",
        "description",
        "enum",
        "const",
        "minLength",
        "maxLength",
        "uniqueItems",
        "minProperties",
        "maxProperties",
        "contentEncoding",
        "contentMediaType",
        "examples",
    },
)

_SILENT_FORMATS = frozenset({"binary", "password"})


def anthropic_tool_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Build the schema to send as a tool's `input_schema`.

    Args:
        model: A subclass of `BaseModel`. Neither it nor what it caches is changed.

    Returns:
        A new dict that shares nothing with the model; its root is an object.

    Raises:
        SchemaError: The root is no object, a property's name is none that Anthropic
            takes, or the schema says what JSON cannot hold. Names every field at fault.
    """
    return written(model, ANTHROPIC_TOOL)


def _kept(keyword: str, value: Any) -> bool:
    if keyword == "format":
        return value not in _SILENT_FORMATS
    if keyword == "pattern":
        return is_plain_pattern(value)
    if keyword in BOUNDS:
        return is_finite(value)
    return keyword in _KEPT


ANTHROPIC_TOOL: Final = Rules(
    name="Anthropic's tool input",
    kept=_kept,
    refused=LOGIC,
    checks=(composition, choices),
    root_checks=(object_root, _keys),
)
