"""The upstream server over HTTP.

Nothing of a request, a reply or the key is logged or put into an error.
"""

import asyncio
import json
import math
import re
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2
import orjson
import stamina

from batchline_simulator.upstream.exchange import Reply, Request

_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses that another attempt may change."""
_LOST = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.ReadError,
    httpx2.WriteError,
    httpx2.RemoteProtocolError,
)
"""Failures that another attempt may mend. A reply that took too long is none: it would again."""
_CONNECT_S = 10.0
_WAIT_S = 0.5
_MAX_WAIT_S = 60.0
"""Longest wait before another attempt, in seconds, also where `retry-after` asks for more."""
_MAX_REPLY_BYTES = 1 << 26
"""2,048 vectors of 1,536 numbers have about 40 MB."""
_VERSION = re.compile(r"/v\d+\w*$")
_OK = 200


class _AgainError(Exception):
    """A reply that another attempt may better."""

    def __init__(self, reply: Reply, wait_s: float | None) -> None:
        super().__init__(f"status {reply.status}")
        self.reply = reply
        self.wait_s = wait_s


class HttpUpstream:
    """Implements `Upstream`."""

    def __init__(
        self, url: str, *, parallel: int, timeout_s: float, attempts: int, model: str | None, key: str | None
    ) -> None:
        """Keep where and how to ask.

        Args:
            url: Of the server, with or without its version: `http://localhost:11434` or `…/v1`.
            parallel: Requests under way at once, over all batches.
            timeout_s: Longest wait for a part of a reply, in seconds.
            attempts: Of one request, at most.
            model: Asked instead of the one that a request names.
            key: Sent as a bearer token.
        """
        # By default each retry is printed where structlog is installed, into a pipe that nobody may read.
        stamina.instrumentation.set_on_retry_hooks([])
        self.slots = asyncio.Semaphore(parallel)
        self._base = url.rstrip("/")
        self._attempts = attempts
        self._model = model
        self._client = httpx2.AsyncClient(
            headers={} if key is None else {"authorization": f"Bearer {key}"},
            timeout=httpx2.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_S)),
            limits=httpx2.Limits(max_connections=parallel, max_keepalive_connections=parallel),
        )

    async def ask(self, request: Request) -> Reply:
        """Ask, and again a bounded number of times where the server is busy, broken or away."""
        try:
            async for attempt in stamina.retry_context(
                on=_wait_of, attempts=self._attempts, timeout=None, wait_initial=_WAIT_S, wait_max=_MAX_WAIT_S
            ):
                with attempt:
                    return await self._once(request)
        except _AgainError as error:
            return error.reply
        except httpx2.ReadTimeout:
            return _failure(504, "The upstream server took too long.")
        except httpx2.HTTPError as error:
            message = f"The upstream server could not be reached ({type(error).__name__})."
            return replace(_failure(503, message), answered=False)
        raise AssertionError("retrying ended without a reply")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _once(self, request: Request) -> Reply:
        body = request.body if self._model is None else {**request.body, "model": self._model}
        async with self._client.stream("POST", self._url(request.path), json=body) as response:
            content = bytearray()
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > _MAX_REPLY_BYTES:
                    return _failure(502, f"The upstream server's reply has over {_MAX_REPLY_BYTES} bytes.")
        reply = _reply(response.status_code, bytes(content))
        if response.status_code in _AGAIN:
            raise _AgainError(reply, _asked_wait_s(response.headers.get("retry-after")))
        return reply

    def _url(self, path: str) -> str:
        """Join the two, with one version between them."""
        return self._base + (path.removeprefix("/v1") if _VERSION.search(self._base) else path)


def _wait_of(error: Exception) -> bool | float:
    """Say whether to ask again, and how many seconds later where the server said it."""
    if isinstance(error, _AgainError):
        return True if error.wait_s is None else error.wait_s
    return isinstance(error, _LOST)


def _asked_wait_s(header: str | None) -> float | None:
    """Read `retry-after`, seconds or a date, and keep it within bounds."""
    if header is None:
        return None
    try:
        wait_s = float(header)
    except ValueError:
        try:
            wait_s = (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return None if math.isnan(wait_s) else min(max(wait_s, 0.0), _MAX_WAIT_S)


def _reply(status: int, content: bytes) -> Reply:
    """Take a reply as it is, if it is JSON."""
    try:
        orjson.loads(content)
    except orjson.JSONDecodeError:
        return _failure(
            502 if status == _OK else status, f"The upstream server replied {status} without JSON."
        )
    return Reply(status, content)


def _failure(status: int, message: str) -> Reply:
    error = {"message": message, "type": "server_error", "param": None, "code": "upstream_failed"}
    return Reply(status, json.dumps({"error": error}).encode())
