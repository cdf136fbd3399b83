"""What is wrong with a response model, told all at once.

A user who fixes one field at a time would otherwise meet the next one only at
the next try.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from batchline_shared.errors import SchemaError

__all__ = ["Problem", "raise_for"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why a provider would refuse a schema."""

    path: str
    """The field at fault, such as `Order.items[].tags`."""

    text: str
    """What is wrong and what to write instead, without the path."""


def raise_for(problems: Iterable[Problem], *, model: str, dialect: str) -> None:
    """Raise one error for all problems, or return where there are none.

    Args:
        problems: In the order the fields are declared; repetitions are told once.
        model: The class as its user calls it.
        dialect: Who would refuse it, such as `OpenAI strict mode`.

    Raises:
        SchemaError: One problem a line; `path` is the first one's.
    """
    found = list(dict.fromkeys(problems))
    if not found:
        return
    lines = [f"{problem.path}: {problem.text}" for problem in found]
    message = "\n".join([f"{dialect} does not accept {model}:", *lines])
    raise SchemaError(message, path=found[0].path)
