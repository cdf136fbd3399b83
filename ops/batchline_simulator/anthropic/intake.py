"""What is checked before a batch is accepted: its envelope, never what is inside `params`.

Wordings are those of the provider's validation library; the one for a custom
id that occurs twice is unverified.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request

from batchline_simulator.anthropic.body import BodyError, requests_in

_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_MAX_ID = 64

ParamsCheck = Callable[[dict[str, Any]], str | None]
"""Says what in the `params` of one request refuses the whole call, or None."""


class BodyTooLargeError(Exception):
    """The body has more bytes than the provider takes."""


@dataclass(frozen=True)
class Intake:
    """What one create call brought."""

    requests: int
    first_custom_id: str
    model: str | None
    """Of the first request."""
    sha256: str
    """Of the requests, one a line."""


async def spool(request: Request, target: Path, *, max_bytes: int) -> None:
    """Store the body of a call as it arrives.

    Raises:
        BodyTooLargeError: It has more than `max_bytes` bytes. All of it was read, so that the client
            is there to read the reply.
    """
    size = 0
    with target.open("wb") as sink:
        async for chunk in request.stream():
            size += len(chunk)
            if size <= max_bytes:
                sink.write(chunk)
    if size > max_bytes:
        raise BodyTooLargeError(f"{size} bytes")


def split(body: Path, target: Path, *, max_requests: int, check: ParamsCheck) -> Intake:
    """Write the requests of a body one a line.

    Raises:
        BodyError: The call is refused.
    """
    writer = _Writer(check)
    with body.open("rb") as source, target.open("wb") as sink:
        for place, item in enumerate(requests_in(source)):
            if place < max_requests:
                sink.write(writer.line(place, item))
            writer.count = place + 1
    if not writer.count:
        raise BodyError("requests: List should have at least 1 item after validation, not 0")
    if writer.count > max_requests:
        raise BodyError(
            f"requests: List should have at most {max_requests} items after validation, not {writer.count}"
        )
    return writer.intake()


class _Writer:
    """Checks requests one after another, and remembers what a batch is known by."""

    def __init__(self, check: ParamsCheck) -> None:
        self.count = 0
        self._check = check
        self._seen: set[str] = set()
        self._first: dict[str, Any] = {}
        self._hash = hashlib.sha256()

    def line(self, place: int, item: Any) -> bytes:
        where = f"requests.{place}"
        if not isinstance(item, dict):
            raise BodyError(f"{where}: Input should be a valid dictionary")
        self._check_id(f"{where}.custom_id", item)
        if not isinstance(item.get("params"), dict):
            problem = "Input should be a valid dictionary" if "params" in item else "Field required"
            raise BodyError(f"{where}.params: {problem}")
        for name in item:
            if name not in ("custom_id", "params"):
                raise BodyError(f"{where}.{name}: Extra inputs are not permitted")
        if (refusal := self._check(item["params"])) is not None:
            raise BodyError(f"{where}.params.{refusal}")
        self._first = self._first or item
        line = _dumped(item)
        self._hash.update(line)
        return line

    def intake(self) -> Intake:
        model = self._first["params"].get("model")
        return Intake(
            requests=self.count,
            first_custom_id=self._first["custom_id"],
            model=model if isinstance(model, str) else None,
            sha256=self._hash.hexdigest(),
        )

    def _check_id(self, where: str, item: dict[str, Any]) -> None:
        custom_id = item.get("custom_id")
        if not isinstance(custom_id, str):
            problem = "Input should be a valid string" if "custom_id" in item else "Field required"
            raise BodyError(f"{where}: {problem}")
        if len(custom_id) > _MAX_ID:
            raise BodyError(f"{where}: String should have at most {_MAX_ID} characters")
        if not _ID.fullmatch(custom_id):
            raise BodyError(f"{where}: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'")
        if custom_id in self._seen:
            raise BodyError(f"{where}: Duplicate custom_id '{custom_id}'")
        self._seen.add(custom_id)


def _dumped(item: dict[str, Any]) -> bytes:
    try:
        return json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    except UnicodeEncodeError:
        raise BodyError("The request body is not valid JSON.") from None
