"""Finding the user's response model by its name, `module:Class`."""

from __future__ import annotations

import importlib
import os
import sys

from pydantic import BaseModel

from batchline_shared.errors import InvalidInputError

__all__ = ["load_response_model"]


def load_response_model(name: str) -> type[BaseModel]:
    """Import a Pydantic model; modules of the working directory are found too.

    Args:
        name: `module:Class`, such as `shop.models:Order`.

    Raises:
        InvalidInputError: It is not of that form, cannot be imported, or is no Pydantic model.
    """
    module_name, colon, path = name.partition(":")
    if not colon or not module_name or not path:
        raise InvalidInputError(
            f"--response-model must be module:Class, such as shop.models:Order, not {name!r}"
        )
    if os.getcwd() not in sys.path:  # noqa: PTH109 - sys.path holds strings
        sys.path.insert(0, os.getcwd())  # noqa: PTH109 - as above
    try:
        found: object = importlib.import_module(module_name)
        for part in path.split("."):
            found = getattr(found, part)
    except AttributeError:
        raise InvalidInputError(f"--response-model: {module_name} has no {path}") from None
    except Exception as error:  # a user's module may fail in any way
        raise InvalidInputError(
            f"--response-model: {module_name} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(found, type) or not issubclass(found, BaseModel):
        raise InvalidInputError(f"--response-model: {name} is no Pydantic model")
    return found
