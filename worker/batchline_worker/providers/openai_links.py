"""Where a result file is: OpenAI names its id, servers like it may give a link.

A link is data from another machine, so only one to the account's own host is followed.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import urljoin, urlsplit

__all__ = ["Place", "place_of"]

_CONTENT: Final = re.compile(r"/files/([^/]+)/content")

_PORTS: Final = {"http": 80, "https": 443}


class Place(NamedTuple):
    """One of both is set."""

    file_id: str
    """Of a file that can be read and deleted by its id."""
    url: str
    """Absolute, on the account's own host."""


def place_of(reference: str, base_url: str) -> Place | None:
    """Tell whether a reference is an id or a link, and make a link absolute.

    Args:
        reference: As a batch names its results.
        base_url: Of the account, up to and with `/v1`.

    Returns:
        The place; None for a link to another host, or one that is no http or https address.
    """
    if "://" not in reference and not reference.startswith(("/", "files/")):
        return Place(reference, "")
    url = urljoin(base_url.rstrip("/") + "/", reference)
    try:
        if _origin(url) is None or _origin(url) != _origin(base_url):
            return None
    except ValueError:  # a port that is no number
        return None
    named = _CONTENT.search(urlsplit(url).path)
    return Place(named[1], "") if named else Place("", url)


def _origin(url: str) -> tuple[str, str | None, int] | None:
    """Return scheme, host and port.

    Raises:
        ValueError: The port is none.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]
