"""The JSON schema that OpenAI's strict mode accepts for a Pydantic model.

Every property is required, whatever the model's defaults: OpenAI has no
optional fields, and a field that may be absent is written as `X | None`.
"""

import hashlib
import re
from typing import Any, Final

from pydantic import BaseModel

from batchline_shared.schemas.lint import (
    FREE_KEYS,
    LOGIC,
    SETS,
    TUPLES,
    choices,
    composition,
    object_root,
    open_object,
    untyped,
)
from batchline_shared.schemas.openai_keywords import kept, typed
from batchline_shared.schemas.openai_limits import limit_problems
from batchline_shared.schemas.rules import Rules
from batchline_shared.schemas.source import require_model
from batchline_shared.schemas.writer import written

__all__ = ["OPENAI", "schema_name", "strict_schema"]

OPENAI: Final = Rules(
    name="OpenAI strict mode",
    kept=kept,
    refused=TUPLES | SETS | FREE_KEYS | LOGIC,
    checks=(composition, open_object, untyped, choices),
    root_checks=(object_root,),
    prepared=typed,
    limits=limit_problems,
)

_MAX_NAME = 64
_HASH_CHARS = 8


def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Build the schema to send as `json_schema.schema` with `strict: true`.

    A constraint that strict mode does not know (a string's length, a URL's format)
    goes into the description, and is checked when the answer is validated with the
    model.

    Args:
        model: A subclass of `BaseModel`. Neither it nor what it caches is changed.

    Returns:
        A new dict that shares nothing with the model.

    Raises:
        SchemaError: OpenAI would refuse the schema. Names every field at fault.
    """
    return written(model, OPENAI)


def schema_name(model: type[BaseModel]) -> str:
    """Name the schema as OpenAI allows it: `[a-zA-Z0-9_-]{1,64}`.

    The same class always gets the same name. Where the class name had to be cut
    or lost letters, a hash of it keeps two such names apart.

    Raises:
        SchemaError: The argument is no subclass of `BaseModel`.
    """
    name = require_model(model).__name__
    plain = re.sub(r"[^a-zA-Z0-9_-]+", "_", name).rstrip("_")
    if name.isascii() and 0 < len(plain) <= _MAX_NAME:
        return plain
    digest = hashlib.sha256(name.encode()).hexdigest()[:_HASH_CHARS]
    return f"{plain[: _MAX_NAME - _HASH_CHARS - 1]}_{digest}"
