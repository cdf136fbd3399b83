"""From a response model to the schema of one dialect: lint, build, check the limits."""

from typing import Any

from pydantic import BaseModel

from batchline_shared.schemas.builder import Builder
from batchline_shared.schemas.lint import lint
from batchline_shared.schemas.problems import raise_for
from batchline_shared.schemas.rules import Rules
from batchline_shared.schemas.source import model_schema, require_model

__all__ = ["written"]


def written(model: type[BaseModel], rules: Rules) -> dict[str, Any]:
    """Write a model's schema by a dialect's rules.

    `title` and `default` are left out everywhere: the first repeats the property's
    name and is paid for with every request, the second has no meaning where every
    field is required.

    Args:
        model: A subclass of `BaseModel`. Neither it nor what it caches is changed.
        rules: The dialect.

    Returns:
        A new dict that shares nothing with the model.

    Raises:
        SchemaError: The provider would refuse the schema. Names every field at fault.
    """
    name = require_model(model).__name__
    source = model_schema(model)
    raise_for(lint(source, name, rules), model=name, dialect=rules.name)
    finished = rules.finished(Builder(source, name, rules).build())
    raise_for(rules.limits(finished, name), model=name, dialect=rules.name)
    return finished
