"""What Flower must not keep or show: arguments, results, and the words of exceptions.

Two layers. `strip_event` takes them out before Flower stores anything, because its
search looks into stored arguments; `redact_task` is Flower's own hook for what it shows.
"""

from __future__ import annotations

from typing import Any

__all__ = ["REDACTED", "redact_task", "strip_event"]

REDACTED = "(redacted)"
"""Shown in place of what was taken out."""

_HIDDEN = ("args", "kwargs", "result")


def strip_event(event: dict[str, Any]) -> dict[str, Any]:
    """Copy a Celery event without what a user may have written.

    An exception keeps its class: pydantic and the SDKs quote their input in the message.
    """
    stripped = {name: REDACTED if name in _HIDDEN else value for name, value in event.items()}
    if stripped.get("exception"):
        stripped["exception"] = _class_only(str(stripped["exception"]))
    if stripped.get("traceback"):
        stripped["traceback"] = REDACTED
    return stripped


def redact_task(task: Any) -> Any:
    """Blank the same fields of a task that is about to be shown. Flower hands over a copy."""
    for name in _HIDDEN:
        setattr(task, name, REDACTED)
    if task.exception:
        task.exception = _class_only(task.exception)
    if task.traceback:
        task.traceback = REDACTED
    return task


def _class_only(exception: str) -> str:
    """`ValueError("secret")` becomes `ValueError(…)`."""
    name, bracket, _ = exception.partition("(")
    return f"{name}(…)" if bracket and name.replace(".", "").isidentifier() else REDACTED
