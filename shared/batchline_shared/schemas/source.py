"""The JSON schema that Pydantic writes, before any provider's rules.

It may share lists and dicts with the user's `json_schema_extra`, so that
whoever reads it must build anew and never write into it.
"""

from typing import Any, cast

from pydantic import BaseModel
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

from batchline_shared.errors import SchemaError
from batchline_shared.schemas.tree import Schema

__all__ = ["model_schema", "require_model"]

_ARGUMENT = "response_model"


def require_model(candidate: object) -> type[BaseModel]:
    """Return the argument where it is a response model.

    Args:
        candidate: Whatever the user passed as `response_model`.

    Raises:
        SchemaError: It is anything but a subclass of `BaseModel`.
    """
    if isinstance(candidate, type) and issubclass(candidate, BaseModel) and candidate is not BaseModel:
        return candidate
    raise SchemaError(f"{_ARGUMENT}: {_remedy(candidate)}", path=_ARGUMENT)


def model_schema(model: type[BaseModel]) -> Schema:
    """Ask Pydantic for the schema of what the model validates.

    No argument is passed on, because a user's own `model_json_schema` need not
    take any; `validation` is the mode that Pydantic itself defaults to.

    Raises:
        SchemaError: Pydantic can write no schema for the model.
    """
    try:
        # Any: a user's override may return whatever it likes.
        schema: Any = model.model_json_schema()
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        reason = error.message or "no reason given"
        raise SchemaError(
            f"{model.__name__}: Pydantic can write no JSON schema for this model: {reason}. "
            "Give every field a type that JSON can hold.",
            path=model.__name__,
        ) from error
    if not isinstance(schema, dict):
        raise SchemaError(
            f"{model.__name__}: model_json_schema() returned {type(schema).__name__}. Return a dict.",
            path=model.__name__,
        )
    return cast("Schema", schema)


def _remedy(candidate: object) -> str:
    """Say what to pass instead, in the user's own names where there are any."""
    if candidate is BaseModel:
        return "BaseModel itself has no fields. Pass a subclass that declares some."
    if isinstance(candidate, BaseModel):
        name = type(candidate).__name__
        return f"this is an instance of {name}. Pass the class: response_model={name}."
    if isinstance(candidate, type):
        return (
            f"{candidate.__name__} is no Pydantic model. Pass a subclass of BaseModel; "
            "put a single value or a list into a field of one."
        )
    return (
        f"{candidate!r} is no Pydantic model. Pass a subclass of BaseModel, such as "
        "`class Result(BaseModel): value: ...`, with this type as the field's."
    )
