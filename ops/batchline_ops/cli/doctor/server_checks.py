"""The Redis server: its version, and whether it keeps what it is given.

Managed servers may refuse CONFIG; what cannot be asked is a warning, not a failure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import ResponseError

from batchline_ops.cli.doctor.findings import fail, ok, warn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchline_ops.cli.doctor.findings import Finding

__all__ = ["check_server"]

_OLDEST: Final = (7, 0)
"""Redis versions that the ledger's scripts are tested on begin here."""

_CROWDED: Final = 0.8
"""Part of `maxmemory` in use from which on somebody should look."""

_SETTINGS: Final = ("appendonly", "appendfsync", "maxmemory-policy", "maxmemory")


def check_server(client: Any) -> list[Finding]:
    """Everything about a server that answers.

    Args:
        client: redis-py's, which leaves INFO and CONFIG untyped.
    """
    info: Mapping[str, Any] = client.info()
    settings = _settings(client)
    return [
        _version(info),
        _append_only(info, settings),
        *_sync(info, settings),
        _policy(info, settings),
        _memory(info),
        _disk_confirmation(client, info),
    ]


def _settings(client: Any) -> Mapping[str, str]:
    """What CONFIG tells; empty where the server does not let us ask."""
    try:
        return dict(client.config_get(*_SETTINGS))
    except ResponseError:
        return {}


def _version(info: Mapping[str, Any]) -> Finding:
    check = "Redis version"
    if "valkey_version" in info:
        return ok(check, f"Valkey {info['valkey_version']}")
    version = str(info.get("redis_version", "unknown"))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < _OLDEST:
        return fail(check, f"Redis {version}", "Batchline needs Redis 7.0 or Valkey; upgrade the server")
    return ok(check, f"Redis {version}")


def _append_only(info: Mapping[str, Any], settings: Mapping[str, str]) -> Finding:
    check = "Append-only file"
    enabled = bool(int(info.get("aof_enabled", 0))) or settings.get("appendonly") == "yes"
    if not enabled:
        return fail(
            check,
            "off: a restart of the server loses jobs",
            "redis-cli CONFIG SET appendonly yes, and the same in redis.conf",
        )
    if info.get("aof_last_write_status", "ok") != "ok":
        return fail(check, "on, but its last write failed", "Look at the server's disk and log")
    return ok(check, "on")


def _sync(info: Mapping[str, Any], settings: Mapping[str, str]) -> list[Finding]:
    check = "appendfsync"
    if not int(info.get("aof_enabled", 0)):
        return []
    value = settings.get("appendfsync")
    if value is None:
        return [warn(check, "the server does not tell", "Make sure that it is everysec or always")]
    if value == "no":
        return [
            warn(check, "no: the system decides when to write", "redis-cli CONFIG SET appendfsync everysec")
        ]
    return [ok(check, value)]


def _policy(info: Mapping[str, Any], settings: Mapping[str, str]) -> Finding:
    check = "maxmemory-policy"
    value = settings.get("maxmemory-policy") or info.get("maxmemory_policy")
    if value is None:
        return warn(check, "the server does not tell", "Make sure that it is noeviction")
    if value != "noeviction":
        return fail(
            check,
            f"{value}: a full server deletes parts of jobs",
            "redis-cli CONFIG SET maxmemory-policy noeviction, and the same in redis.conf",
        )
    return ok(check, str(value))


def _memory(info: Mapping[str, Any]) -> Finding:
    check = "Memory"
    used, limit = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    if not limit:
        return warn(
            check,
            f"{_size(used)} used, no maxmemory",
            "Set maxmemory below what the machine has, so that enqueueing is refused in time",
        )
    detail = f"{_size(used)} of {_size(limit)} used ({used / limit:.0%})"
    if used > _CROWDED * limit:
        return warn(check, detail, "Raise maxmemory, or shorten BATCHLINE_RETENTION_S")
    return ok(check, detail)


def _disk_confirmation(client: Any, info: Mapping[str, Any]) -> Finding:
    check = "WAITAOF"
    try:
        known = bool(client.execute_command("COMMAND", "INFO", "WAITAOF"))
    except ResponseError:
        return warn(check, "the server does not tell", "Redis 7.2 and Valkey have it")
    if not known:
        return warn(
            check,
            "not there: a power cut may lose the last second of enqueued jobs",
            "Upgrade to Redis 7.2 or Valkey, or set appendfsync always",
        )
    if not int(info.get("aof_enabled", 0)):
        return warn(
            check, "there, but of no use without the append-only file", "Turn the append-only file on"
        )
    return ok(check, "there: enqueued jobs are on disk before enqueue returns")


def _size(count: int) -> str:
    """Bytes in the unit that fits, by 1,024."""
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:  # noqa: PLR2004 - the next unit
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
