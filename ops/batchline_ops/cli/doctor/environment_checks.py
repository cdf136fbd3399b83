"""This machine: Python, packages and provider keys. Keys are named, never shown."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from batchline_ops.cli.doctor.findings import fail, ok, warn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchline_ops.cli.doctor.findings import Finding

__all__ = ["KEY_VARIABLES", "check_environment"]

KEY_VARIABLES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({"openai": ("OPENAI_API_KEY",)})
"""Provider → variables of which its SDK needs one."""

_OLDEST_PYTHON: Final = (3, 11)

_NEEDED: Final = ("celery", "pydantic", "redis")
_OF_WORKERS: Final = ("openai",)


def check_environment() -> list[Finding]:
    """Versions and keys, as this process sees them."""
    return [_python(), _packages(), *(_key(provider, names) for provider, names in KEY_VARIABLES.items())]


def _python() -> Finding:
    if sys.version_info < _OLDEST_PYTHON:
        return fail("Python", platform.python_version(), "Batchline needs Python 3.11 or later")
    return ok("Python", platform.python_version())


def _packages() -> Finding:
    check = "Packages"
    found = {name: _version(name) for name in ("batchline", *_NEEDED, *_OF_WORKERS)}
    detail = ", ".join(f"{name} {number}" for name, number in found.items() if number)
    missing = [name for name, number in found.items() if not number]
    if missing:
        return warn(
            check,
            f"{detail}; not installed: {', '.join(missing)}",
            "On machines with workers: pip install 'batchline[worker]'",
        )
    return ok(check, detail)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _key(provider: str, names: tuple[str, ...]) -> Finding:
    check = f"Key for {provider}"
    in_file = _names_in_env_file()
    for name in names:
        if os.environ.get(name):
            return ok(check, f"{name} is set")
        if name in in_file:
            return ok(check, f"{name} is set in BATCHLINE_ENV_FILE")
    wanted = " or ".join(names)
    return warn(check, f"{wanted} is not set here", "Only workers need it; set it where they run")


def _names_in_env_file() -> frozenset[str]:
    """Variables with a value in the workers' settings file."""
    path = os.environ.get("BATCHLINE_ENV_FILE")
    if not path or not Path(path).is_file():
        return frozenset()
    from dotenv import dotenv_values  # noqa: PLC0415 - only for those who have such a file

    return frozenset(name for name, value in dotenv_values(path, interpolate=False).items() if value)
