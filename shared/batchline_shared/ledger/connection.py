"""How every process reaches the ledger's Redis, and what its failures are called."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import redis
from redis import exceptions as refusal
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from batchline_shared.errors import (
    ConfigurationError,
    LedgerError,
    QueueFullError,
    QueueUnavailableError,
)
from batchline_shared.ledger import keys
from batchline_shared.redis_url import SENTINEL, SentinelAddress

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["check_schema", "connect", "open_ledger", "redis_errors", "server_name"]

_TIMEOUT_S: Final = 10.0
"""Longest wait for one reply. Without it, a frozen server blocks its caller for ever."""

_CONNECT_TIMEOUT_S: Final = 5.0

_SENTINEL_TIMEOUT_S: Final = 1.0
"""For a Sentinel's answer: the next one knows the same."""

_RETRIES: Final = 3
"""Further attempts after a lost connection, within about two seconds: a restart or failover takes as long."""

_OF_A_PIPELINE = " of pipeline caused error: "
"""What redis-py puts between a pipeline's command, cut to 100 characters, and the server's words."""

_NOT_NOW = ("MISCONF", "BUSY ", "NOREPLICAS", "CLUSTERDOWN", "TRYAGAIN")
"""What the server's refusals begin with that an operator or time will mend: a full disk, most of all."""


def connect(url: str) -> redis.Redis:
    """Make a client for `url`; nothing is sent yet.

    Args:
        url: See `redis_url`.

    Raises:
        ConfigurationError: The URL is no Redis URL.
    """
    options: dict[str, Any] = {
        "socket_timeout": _TIMEOUT_S,
        "socket_connect_timeout": _CONNECT_TIMEOUT_S,
        "socket_keepalive": True,
        "health_check_interval": 15,
        # Nothing that we send is unsafe to send twice: scripts check tokens and bits. Who has waited for a
        # frozen server once is told so, and not kept waiting three times more.
        "retry": Retry(
            ExponentialWithJitterBackoff(base=0.2, cap=1.0),
            _RETRIES,
            supported_errors=(refusal.ConnectionError, refusal.BusyLoadingError),
        ),
    }
    if urlsplit(url).scheme == SENTINEL:
        return _primary(SentinelAddress.parse(url), options)
    try:
        return redis.Redis.from_url(url, **options)
    except ValueError:
        # The error's words may hold a part of the password: one with a slash reads like a port.
        raise ConfigurationError(
            "BATCHLINE_REDIS_URL is no Redis URL; does the password need percent-encoding?"
        ) from None


def _primary(address: SentinelAddress, options: dict[str, Any]) -> redis.Redis:
    """Make a client that asks the Sentinels for the primary, whenever it connects."""
    times = {"socket_timeout": _SENTINEL_TIMEOUT_S, "socket_connect_timeout": _SENTINEL_TIMEOUT_S}
    asking = {**times, "retry": Retry(NoBackoff(), 0), **address.sentinel_options}
    sentinels: Any = Sentinel(list(address.hosts), sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
    found: redis.Redis = sentinels.master_for(
        address.master,
        db=address.database,
        username=address.username,
        password=address.password,
        **options,
    )
    return found


def server_name(client: redis.Redis) -> str:
    """Host and port, path or Sentinels' name of the server, without credentials, for messages."""
    if isinstance(client.connection_pool, SentinelConnectionPool):
        return f"the primary {client.connection_pool.service_name!r}"
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
    except refusal.NoPermissionError as error:
        raise ConfigurationError(
            f"Redis at {where} does not let the user of BATCHLINE_REDIS_URL do this ({_unquoted(error)}); "
            "docs/security.md lists the rights that each process needs"
        ) from error
    except refusal.AuthenticationError as error:
        raise ConfigurationError(
            f"Redis at {where} refuses the user or password of BATCHLINE_REDIS_URL"
        ) from error
    except (refusal.ReadOnlyError, refusal.MasterDownError) as error:
        raise QueueUnavailableError(
            f"Redis at {where} is a read-only replica; use the primary's address, "
            "or sentinel://… which finds it"
        ) from error
    except refusal.TimeoutError as error:
        raise QueueUnavailableError(
            f"Redis at {where} does not answer within {_TIMEOUT_S:g} s; "
            "it is frozen, overloaded or cut off: look at the server, and call again"
        ) from error
    except (refusal.ConnectionError, refusal.NoScriptError) as error:
        # A script is missing where the server restarted more often than we try.
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
    if urlsplit(url).scheme not in {"redis", "rediss", "unix", SENTINEL}:
        raise ConfigurationError(
            "BATCHLINE_REDIS_URL must start with redis://, rediss://, sentinel:// or unix://"
        )
    client = connect(url)
    with redis_errors(server_name(client)):
        check_schema(client)
    return client


def check_schema(client: redis.Redis) -> None:
    """Write our schema version where there is none, or compare it with the one that is there.

    Raises:
        LedgerError: They differ.
    """
    # A power cut or a wipe may take it before it is read again.
    while (found := client.get(keys.SCHEMA)) is None:
        # Not before it was read: whoever may only read can use a ledger that is there.
        client.set(keys.SCHEMA, keys.SCHEMA_VERSION, nx=True)
    if found != str(keys.SCHEMA_VERSION).encode():
        raise LedgerError(
            f"the ledger has schema version {found!r}, this Batchline writes {keys.SCHEMA_VERSION}: "
            "run one version everywhere, or use another Redis database"
        )
