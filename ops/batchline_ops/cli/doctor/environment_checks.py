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
    from collections.abc import Callable, Mapping

    from batchline_ops.cli.doctor.findings import Finding

__all__ = ["KEY_VARIABLES", "check_environment", "variables_here"]

KEY_VARIABLES: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = MappingProxyType(
    {
        "openai": (("OPENAI_API_KEY",),),
        "anthropic": (("ANTHROPIC_API_KEY",),),
        "google": (("GOOGLE_CLOUD_PROJECT",), ("GCS_BUCKET",)),
        "gemini": (("GEMINI_API_KEY", "GOOGLE_API_KEY"),),
    }
)
"""Provider → what its own account needs: of each group of variables, one."""

_OLDEST_PYTHON: Final = (3, 11)

_NEEDED: Final = ("celery", "pydantic", "redis")
_OF_WORKERS: Final = ("openai", "anthropic", "google-genai", "google-cloud-storage")


def check_environment() -> list[Finding]:
    """Versions and keys, as this process sees them."""
    return [_python(), _packages(), *_keys()]


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


def _keys() -> list[Finding]:
    """Which providers are set up here; none at all is worth a warning, and so is half of one."""
    known = _names_in_env_file()
    findings = [_key(provider, groups, known) for provider, groups in KEY_VARIABLES.items()]
    if any(_is_set(name, known) for groups in KEY_VARIABLES.values() for group in groups for name in group):
        return findings
    wanted = ", ".join(" or ".join(group) for groups in KEY_VARIABLES.values() for group in groups)
    return [
        warn("Keys", "no provider is set up here", f"Only workers need one; set where they run: {wanted}")
    ]


def _key(provider: str, groups: tuple[tuple[str, ...], ...], known: frozenset[str]) -> Finding:
    check = f"Key for {provider}"
    found = [next((name for name in group if _is_set(name, known)), None) for group in groups]
    here = [name for name in found if name]
    missing = [" or ".join(group) for group, name in zip(groups, found, strict=True) if not name]
    if not here:
        return ok(check, f"not set up here ({', '.join(missing)})")
    where = "" if all(os.environ.get(name) for name in here) else " in BATCHLINE_ENV_FILE"
    detail = f"{', '.join(here)} {'is' if len(here) == 1 else 'are'} set{where}"
    if missing:
        return warn(check, f"{detail}, but not {', '.join(missing)}", "Only workers need it; set it there")
    return ok(check, detail)


def variables_here() -> Callable[[str], bool]:
    """A function that says whether a variable is set, here or in the workers' settings file."""
    known = _names_in_env_file()
    return lambda name: _is_set(name, known)


def _is_set(name: str, known: frozenset[str]) -> bool:
    return bool(os.environ.get(name)) or name in known


def _names_in_env_file() -> frozenset[str]:
    """Variables with a value in the workers' settings file."""
    path = os.environ.get("BATCHLINE_ENV_FILE")
    if not path or not Path(path).is_file():
        return frozenset()
    from dotenv import dotenv_values  # noqa: PLC0415 - only for those who have such a file

    return frozenset(name for name, value in dotenv_values(path, interpolate=False).items() if value)
