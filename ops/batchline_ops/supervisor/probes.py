"""How the supervisor learns that a service answers. Each probe is data; asking it takes well under a second.

None of them asks Celery's remote control: `inspect ping` starts a Python process
and a broker connection for every question.
"""

from __future__ import annotations

import http.client
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from batchline_ops.embedded.server import serving_pid

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Alive", "HttpAnswer", "LogLine", "Probe", "ProbeTarget", "RedisPing"]

_TIMEOUT_S = 0.5
_SERVER_ERROR = 500
_LOG_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """What a probe may look at: one run of one service."""

    log: Path

    log_start: int
    """Offset in `log`, in bytes, at which this run began."""

    started_at: float
    """`time.monotonic()` of its start."""

    pid: int


class _Probe(BaseModel):
    """Frozen, and nothing beyond its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Alive(_Probe):
    """Ready once it has run for a while. For services that say nothing."""

    kind: Literal["alive"] = "alive"

    for_s: float = Field(default=0.2, ge=0.0)
    """Seconds."""

    def passes(self, target: ProbeTarget) -> bool:
        """Whether the time is over."""
        return time.monotonic() - target.started_at >= self.for_s


class LogLine(_Probe):
    """Ready once this run has logged a line that matches."""

    kind: Literal["log_line"] = "log_line"

    pattern: str
    """A regular expression, searched for in the first megabyte that this run logs."""

    def passes(self, target: ProbeTarget) -> bool:
        """Search the log from where this run began."""
        try:
            with target.log.open("rb") as log:
                log.seek(target.log_start)
                return re.search(self.pattern, log.read(_LOG_BYTES).decode(errors="replace")) is not None
        except OSError:
            return False


class RedisPing(_Probe):
    """Ready once this very process serves the URL, which it does after it has loaded its data."""

    kind: Literal["redis_ping"] = "redis_ping"
    url: str

    def passes(self, target: ProbeTarget) -> bool:
        """Ask once."""
        return serving_pid(self.url, _TIMEOUT_S) == target.pid


class HttpAnswer(_Probe):
    """Ready once a GET is answered with anything below 500: whoever answers 404 is up as well."""

    kind: Literal["http_answer"] = "http_answer"
    url: str

    def passes(self, target: ProbeTarget) -> bool:  # noqa: ARG002 - one signature for all
        """Ask once."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT_S)
        try:
            connection.request("GET", parts.path or "/")
            return connection.getresponse().status < _SERVER_ERROR
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


Probe = Annotated[Alive | LogLine | RedisPing | HttpAnswer, Field(discriminator="kind")]
"""Exactly one per service."""
