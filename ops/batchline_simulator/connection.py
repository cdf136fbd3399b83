"""How a connection is cut, which ASGI has no word for.

The protocol class hands every request the transport that it came on.
"""

import asyncio
import socket
import struct
from typing import cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_TRANSPORT = "simulator_transport"


class CuttableProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, with the transport in reach of the application."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it too
        """Keep the transport in the state that each request of this connection copies."""
        self.app_state = {**self.app_state, _TRANSPORT: transport}
        # asyncio does this only for sockets that name their protocol, and a listener made beforehand
        # does not; without it every reply on a kept connection waits 40 ms for an acknowledgement.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)


def cut(scope: Scope) -> None:
    """Reset the connection of a request, so that the client sees an error and not an end."""
    transport = cast("asyncio.Transport", scope["state"][_TRANSPORT])
    raw = transport.get_extra_info("socket")
    # Lingering for zero seconds turns the close into a reset.
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class Reset(Response):
    """A reply that never comes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Cut the connection, and return only when the server has noticed."""
        del send
        cut(scope)
        # Returning earlier would make the server send a 500 of its own.
        while (await receive())["type"] != "http.disconnect":
            pass


async def drain(request: Request) -> None:
    """Read what the client still sends, so that it is there to read the reply."""
    async for _ in request.stream():
        pass
