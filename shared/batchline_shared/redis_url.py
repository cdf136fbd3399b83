"""How the ledger's and the broker's URL are read, beyond what redis-py and Celery read alike.

* `redis://user:password@host:6379/0`, and `unix://` for a socket.
* `rediss://…?ssl_ca_certs=/path/ca.pem` for TLS; `ssl_certfile`, `ssl_keyfile`: a client's own certificate.
* `sentinel://user:password@host:26379,host:26379/0?master=NAME` for the primary that Sentinels name. User and
  password are the servers'; those of the Sentinels are `sentinel_username` and `sentinel_password`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, Self
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from batchline_shared.errors import ConfigurationError

__all__ = ["SENTINEL", "SentinelAddress", "is_redis", "tls_options"]

SENTINEL: Final = "sentinel"

_REDIS: Final = frozenset({"redis", "rediss", "unix", "redis+socket", SENTINEL})

_PORT: Final = 26379
"""Where a Sentinel listens, where its address does not say."""

_OPTIONS: Final = frozenset({"master", "sentinel_username", "sentinel_password"})

_FORM: Final = "sentinel://user:password@host:26379,host:26379/0?master=NAME"


class SentinelAddress(NamedTuple):
    """A server that is found by asking Sentinels for the primary of a name."""

    hosts: tuple[tuple[str, int], ...]
    master: str
    database: int
    username: str | None
    password: str | None
    sentinel_options: dict[str, Any]
    """User and password of the Sentinels themselves, where they have some."""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a `sentinel://` URL.

        Raises:
            ConfigurationError: It is none; never quotes it, as it may hold passwords.
        """
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query))
        user, _, hosts = parts.netloc.rpartition("@")
        username, _, password = user.partition(":")
        database = parts.path.strip("/") or "0"
        try:
            found = tuple(_host(host) for host in hosts.split(","))
        except ValueError:
            found = ()
        if (
            not found
            or not all(host for host, _ in found)
            or not database.isdecimal()
            or not options.get("master")
            or not options.keys() <= _OPTIONS
        ):
            raise ConfigurationError(f"the Sentinels' URL must have the form {_FORM}")
        own = {"username": options.get("sentinel_username"), "password": options.get("sentinel_password")}
        return cls(
            hosts=found,
            master=options["master"],
            database=int(database),
            username=unquote(username) or None,
            password=unquote(password) or None,
            sentinel_options={name: value for name, value in own.items() if value},
        )

    def for_celery(self) -> str:
        """The URL as kombu takes it; it wants user, password and database for each Sentinel."""
        user = f"{quote(self.username or '', safe='')}:{quote(self.password or '', safe='')}@"
        at = user if user != ":@" else ""
        hosts = [(f"[{host}]" if ":" in host else host, port) for host, port in self.hosts]
        return ";".join(f"{SENTINEL}://{at}{host}:{port}/{self.database}" for host, port in hosts)


def is_redis(url: str) -> bool:
    """Whether a URL is one of Redis', of any form."""
    return urlsplit(url).scheme in _REDIS


def tls_options(url: str) -> dict[str, str]:
    """The options of a `rediss://` URL, as Celery and Flower want them beside it; empty for others."""
    parts = urlsplit(url)
    if parts.scheme != "rediss":
        return {}
    given = {name: value for name, value in parse_qsl(parts.query) if name.startswith("ssl_")}
    return {"ssl_cert_reqs": "required", **given}


def _host(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    return parts.hostname or "", parts.port or _PORT
