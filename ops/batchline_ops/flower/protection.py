"""Who may see Flower: this machine only, or those who know a password.

Flower by itself listens on every interface without asking for one.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from batchline_shared.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DEFAULT_ADDRESS", "FlowerRefusedError", "require_protection"]

DEFAULT_ADDRESS = "127.0.0.1"
"""Where Flower listens unless it is told otherwise."""


class FlowerRefusedError(ConfigurationError):
    """Flower would have been open to the network, so it was not started."""


def require_protection(
    address: str,
    *,
    basic_auth: Sequence[str] | None,
    oauth: str | None = None,
    unix_socket: str | None = None,
) -> None:
    """Refuse an address that others can reach, unless Flower asks who they are.

    Args:
        address: What Flower would listen on; empty means every interface.
        basic_auth: `user:password` pairs.
        oauth: Flower's `auth` option.
        unix_socket: Flower makes it writable for everybody (mode 0777), so it counts as reachable.

    Raises:
        FlowerRefusedError: Reachable without a password, or a pair is malformed. Never quotes a password.
    """
    if not all(_is_pair(pair) for pair in basic_auth or ()):
        raise FlowerRefusedError(
            "FLOWER_BASIC_AUTH must be `user:password` (several: separated by commas), none empty"
        )
    if basic_auth or oauth:
        return
    if unix_socket or not _is_loopback(address):
        where = f"unix socket {unix_socket}" if unix_socket else f"address {address or 'of every interface'}"
        raise FlowerRefusedError(
            f"Flower is not started: {where} can be reached by others and no password is set. "
            "Set FLOWER_BASIC_AUTH=user:password, or listen on 127.0.0.1"
        )


def _is_pair(pair: str) -> bool:
    user, _, password = pair.partition(":")
    return bool(user and password)


def _is_loopback(address: str) -> bool:
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
