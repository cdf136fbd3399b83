"""How every process reaches the ledger's Redis, and what its failures are called."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import redis
from redis import exceptions as refusal

from batchline_shared.errors import (
    ConfigurationError,
    LedgerError,
    QueueFullError,
    QueueUnavailableError,
)
from batchline_shared.ledger import keys

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["check_schema", "connect", "open_ledger", "redis_errors", "server_name"]

_TIMEOUT_S = 10.0
"""Longest wait for one reply. Without it, a frozen server blocks its caller for ever."""

_OF_A_PIPELINE = " of pipeline caused error: "
"""What redis-py puts between a pipeline's command, cut to 100 characters, and the server's words."""

_NOT_NOW = ("MISCONF", "BUSY ", "NOREPLICAS", "CLUSTERDOWN", "TRYAGAIN")
"""What the server's refusals begin with that an operator or time will mend: a full disk, most of all."""


def connect(url: str) -> redis.Redis:
    """Make a client for `url`; nothing is sent yet.

    Raises:
        ConfigurationError: The URL is no Redis URL.
    """
    try:
        return redis.Redis.from_url(
            url,
            socket_timeout=_TIMEOUT_S,
            socket_connect_timeout=5.0,
            socket_keepalive=True,
            health_check_interval=15,
            # Nothing that we send is unsafe to send twice: scripts check tokens and bits.
            retry_on_error=[refusal.BusyLoadingError],
        )
    except ValueError:
        # The error's words may hold a part of the password: one with a slash reads like a port.
        raise ConfigurationError(
            "BATCHLINE_REDIS_URL is no Redis URL; does the password need percent-encoding?"
        ) from None


def server_name(client: redis.Redis) -> str:
    """Host and port (or path) of the server, without credentials, for messages."""
    options = client.connection_pool.connection_kwargs
    return str(options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}")


@contextmanager
def redis_errors(where: str) -> Iterator[None]:
    """Map redis-py's exceptions to ours, in this one place.

    Args:
        where: The server, as `server_name` gives it.

    Raises:
        QueueFullError: The server is at its `maxmemory`.
        QueueUnavailableError: The server is down, frozen, loading, a read-only replica, or its disk is full.
        ConfigurationError: The server refuses the user or password.
        LedgerError: A key holds something of another type, or a script failed.
    """
    try:
        yield
    except refusal.OutOfMemoryError as error:
        _unquoted(error)
        raise _full(where) from error
    except (refusal.AuthenticationError, refusal.NoPermissionError) as error:
        raise ConfigurationError(
            f"Redis at {where} refuses the user or password of BATCHLINE_REDIS_URL"
        ) from error
    except (refusal.ReadOnlyError, refusal.MasterDownError) as error:
        raise QueueUnavailableError(
            f"Redis at {where} is a read-only replica; use the primary's address"
        ) from error
    except (refusal.ConnectionError, refusal.TimeoutError) as error:
        raise QueueUnavailableError(
            f"Redis at {where} cannot be reached ({type(error).__name__}); "
            "start it, or correct BATCHLINE_REDIS_URL"
        ) from error
    except refusal.ResponseError as error:
        text = _unquoted(error)
        if "OOM " in text or "maxmemory" in text:  # a script's refusal comes wrapped
            raise _full(where) from error
        if text.startswith(_NOT_NOW):
            raise QueueUnavailableError(f"Redis at {where} refuses for now: {text[:200]}") from error
        raise LedgerError(f"Redis at {where} answered: {text.splitlines()[0][:200]}") from error


def _unquoted(error: Exception) -> str:
    """What the server said, without the pipeline's command before it, which may hold a prompt."""
    text = str(error).rpartition(_OF_A_PIPELINE)[2]
    error.args = (text,)  # it stays behind ours as the cause, and may be logged
    return text


def _full(where: str) -> QueueFullError:
    return QueueFullError(
        f"Redis at {where} has reached its maxmemory; nothing was enqueued. "
        "Raise maxmemory, or lower BATCHLINE_RETENTION_S so that finished jobs go sooner"
    )


def open_ledger(url: str) -> redis.Redis:
    """Connect and make sure that the ledger there is one of our version.

    Raises:
        QueueUnavailableError, QueueFullError, ConfigurationError: See `redis_errors`.
        LedgerError: Another version of Batchline wrote this ledger.
    """
    if urlsplit(url).scheme not in {"redis", "rediss", "unix"}:
        raise ConfigurationError("BATCHLINE_REDIS_URL must start with redis://, rediss:// or unix://")
    client = connect(url)
    with redis_errors(server_name(client)):
        check_schema(client)
    return client


def check_schema(client: redis.Redis) -> None:
    """Write our schema version, or compare it with the one that is there.

    Raises:
        LedgerError: They differ.
    """
    client.set(keys.SCHEMA, keys.SCHEMA_VERSION, nx=True)
    found = client.get(keys.SCHEMA)
    if found != str(keys.SCHEMA_VERSION).encode():
        raise LedgerError(
            f"the ledger has schema version {found!r}, this Batchline writes {keys.SCHEMA_VERSION}: "
            "run one version everywhere, or use another Redis database"
        )
