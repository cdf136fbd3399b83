"""What every provider call passes on its way in and out: log, key, faults.

A provider's routes only know its own rules. The order here matters: a call is
logged before anything can go wrong with it, and the faults that say `after`
strike when its effect is stored.
"""

import asyncio
import time
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from batchline_simulator.callers import send_signal
from batchline_simulator.connection import Reset, drain
from batchline_simulator.faults import Fault, FaultBoard
from batchline_simulator.request_log import RequestLog

Handler = Callable[[Request], Awaitable[Response]]

BAD_GATEWAY_PAGE = (
    "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
)
LOGIN_PAGE = "<!DOCTYPE html><html><body>Sign in to continue</body></html>"


class Refused(Exception):  # noqa: N818 - it carries a reply, and is no error of the simulator
    """A handler's way out with the provider's reply to a bad call."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class Face(Protocol):
    """How one provider looks from outside, beyond its routes."""

    @abstractmethod
    def authorize(self, request: Request) -> Response | None:
        """Return the refusal of a call without a valid key, or None."""

    @abstractmethod
    def refusal(self, kind: str, status: int) -> Response:
        """Write the provider's error of a status; `kind` is that of the fault."""

    @abstractmethod
    def headers(self, elapsed_ms: int) -> Mapping[str, str]:
        """Return the headers that every reply carries, unless it has set them itself."""


class Gateway:
    """Wraps handlers into routes."""

    def __init__(self, face: Face, faults: FaultBoard, log: RequestLog) -> None:
        self._face = face
        self._faults = faults
        self._log = log

    def route(self, path: str, method: str, call: str, handler: Handler) -> Route:
        """Make the route of one call."""

        async def endpoint(request: Request) -> Response:
            return await self._pass(request, call, handler)

        return Route(path, endpoint, methods=[method], name=call)

    async def _pass(self, request: Request, call: str, handler: Handler) -> Response:
        started = time.time()
        entry = self._log.begin(
            time_s=started,
            method=request.method,
            path=request.url.path,
            query=request.url.query,
            call=call,
            retry_count=request.headers.get("x-stainless-retry-count"),
        )
        faults = self._faults.draw(call, request.url.path)
        request.state.faults = faults
        try:
            response = await self._reply(request, handler, faults)
        except ClientDisconnect:
            response = Reset()
        dropped = isinstance(response, Reset)
        self._log.end(entry, None if dropped else response.status_code, sorted(faults))
        for name, value in self._face.headers(int((time.time() - started) * 1000)).items():
            response.headers.setdefault(name, value)
        return response

    async def _reply(self, request: Request, handler: Handler, faults: Mapping[str, Fault]) -> Response:
        refusal = self._face.authorize(request) or await self._before(faults)
        if refusal is not None:
            if not isinstance(refusal, Reset):
                await drain(request)
            return refusal
        try:
            response = await handler(request)
        except Refused as refused:
            response = refused.response
        return await self._after(request, faults, response)

    async def _before(self, faults: Mapping[str, Fault]) -> Response | None:
        if (delay := faults.get("delay_before")) is not None:
            await asyncio.sleep(delay.seconds)
        if "drop_before" in faults:
            return Reset()
        if "bad_gateway" in faults:
            return HTMLResponse(BAD_GATEWAY_PAGE, 502)
        statuses = {
            "error_before": None,
            "unavailable": 503,
            "rate_limit": 429,
            "quota": 429,
            "unauthorized": 401,
        }
        for kind, status in statuses.items():
            if (fault := faults.get(kind)) is not None:
                return self._refuse(fault, status or fault.status)
        return None

    async def _after(self, request: Request, faults: Mapping[str, Fault], response: Response) -> Response:
        if (fault := faults.get("signal")) is not None:
            send_signal(fault, request)
        if (fault := faults.get("delay_after")) is not None:
            await asyncio.sleep(fault.seconds)
        if "drop_after" in faults:
            return Reset()
        if (fault := faults.get("error_after")) is not None:
            return self._refuse(fault, fault.status)
        if "half_reply" in faults:
            # What is streamed from a file has no body here; `truncated` is for that.
            body = bytes(getattr(response, "body", b""))
            return Response(body[: len(body) // 2], media_type=response.media_type)
        return HTMLResponse(LOGIN_PAGE) if "html" in faults else response

    def _refuse(self, fault: Fault, status: int) -> Response:
        response = self._face.refusal(fault.kind, status)
        if fault.retry_after is not None:
            response.headers["retry-after"] = f"{fault.retry_after:g}"
        if fault.should_retry is not None:
            response.headers["x-should-retry"] = str(fault.should_retry).lower()
        return response
