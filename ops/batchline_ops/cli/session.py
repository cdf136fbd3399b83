"""What every command of one invocation shares: where Redis is, and how to answer."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

import typer

from batchline_shared.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batchline.client import BatchClient

__all__ = ["JsonFlag", "Session", "needs_extra", "require_parts", "session_of"]

JsonFlag = Annotated[bool, typer.Option("--json", help="Machine-readable JSON on stdout, and nothing else.")]
"""The option that every command has."""


def _open_client(redis_url: str | None) -> BatchClient:
    from batchline.client import BatchClient  # noqa: PLC0415 - `--help` must not wait for Redis' client

    return BatchClient(redis_url)


@dataclass
class Session:
    """One invocation."""

    open_client: Callable[[str | None], BatchClient] = _open_client
    """Makes the client; another one for tests."""
    redis_url: str | None = None
    """As `--redis-url` gave it; None leaves it to the settings."""
    as_json: bool = False
    """Whether `--json` was given before the command."""

    def client(self) -> BatchClient:
        """A client of the queue; to be used in a `with` block."""
        return self.open_client(self.redis_url)


def session_of(context: typer.Context) -> Session:
    """The invocation's session."""
    session: Any = context.find_root().obj
    if not isinstance(session, Session):
        raise TypeError("the command line must be started by batchline_ops.cli.run")
    return session


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Name the extra to install when an import of an optional part fails.

    Raises:
        ConfigurationError: Something is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{error.name} is not installed; run: pip install 'batchline[{extra}]'"
        ) from error


def require_parts(extra: str, *modules: str) -> None:
    """Name the extra to install before processes are started that would end for want of it.

    Raises:
        ConfigurationError: A module is not installed.
    """
    for module in modules:
        if find_spec(module) is None:
            raise ConfigurationError(f"{module} is not installed; run: pip install 'batchline[{extra}]'")
