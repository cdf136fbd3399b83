"""The application and the process that serves it."""

import json
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from batchline_simulator.admin import Admin
from batchline_simulator.anthropic import AnthropicService
from batchline_simulator.batch_table import BatchTable
from batchline_simulator.config import SimulatorConfig
from batchline_simulator.connection import CuttableProtocol
from batchline_simulator.core import Workshop
from batchline_simulator.database import Database
from batchline_simulator.faults import FaultBoard, faults_from_file, faults_from_rates
from batchline_simulator.google import google_services
from batchline_simulator.google.service_account import write_service_account
from batchline_simulator.openai import OpenAiService
from batchline_simulator.request_log import RequestLog
from batchline_simulator.responder import load_responder
from batchline_simulator.service import Service
from batchline_simulator.upstream import open_upstream

_KEEP_ALIVE_S = 75
"""Longer than any client keeps a connection: a server that closes first resets a POST by accident."""


def create_app(config: SimulatorConfig) -> Starlette:
    """Build the simulator on a data folder, which it takes over as it is.

    Serve it with `CuttableProtocol`, without which connections cannot be cut.
    """
    config.data_dir.mkdir(parents=True, exist_ok=True)
    database = Database(config.data_dir / "simulator.sqlite")
    faults = faults_from_rates(config.fault.items())
    if config.faults is not None:
        faults += faults_from_file(config.faults)
    board, log, batches = FaultBoard(faults, seed=config.seed), RequestLog(database), BatchTable(database)
    workshop = Workshop(
        config=config,
        database=database,
        batches=batches,
        board=board,
        responder=load_responder(config.responder),
        upstream=open_upstream(config),
    )
    services = _services(workshop, log)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        for service in services:
            service.life.resume()
        yield
        for service in services:
            await service.life.close()
        if workshop.upstream is not None:
            await workshop.upstream.close()
        database.close()

    routes = [*Admin(batches, board, log).routes(), *(route for one in services for route in one.routes())]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={HTTPException: _unknown_route})


def _services(workshop: Workshop, log: RequestLog) -> list[Service]:
    """Assemble every provider."""
    return [OpenAiService(workshop, log), AnthropicService(workshop, log), *google_services(workshop, log)]


def run(config: SimulatorConfig) -> None:
    """Serve until SIGTERM or SIGINT, then return.

    Prints one JSON line with the URL as soon as it answers.
    """
    server = _AnnouncingServer(
        uvicorn.Config(
            create_app(config),
            http=CuttableProtocol,
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_level="warning",
            access_log=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=1,
        ),
        config,
    )
    # The server raises the signal again once it has stopped; that must not look like a crash.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    # Batches are answered in threads; a call must not wait for them longer than a millisecond.
    sys.setswitchinterval(0.001)
    with socket.create_server((config.host, config.port), backlog=2048) as listener:
        server.run([listener])


class _AnnouncingServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, simulator: SimulatorConfig) -> None:
        super().__init__(config)
        self._simulator = simulator

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        port = sockets[0].getsockname()[1] if sockets else self._simulator.port
        url = f"http://{self._simulator.host}:{port}"
        if self._simulator.service_account_file is not None:
            write_service_account(self._simulator.service_account_file, url)
        line = json.dumps({"ready": True, "url": url})
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        if self._simulator.ready_file is not None:
            # Renamed into place, so that a reader never sees half of it.
            draft = self._simulator.ready_file.with_suffix(".draft")
            draft.write_text(line + "\n")
            draft.replace(self._simulator.ready_file)


async def _unknown_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = f"Invalid URL ({request.method} {request.url.path})"
    body = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return JSONResponse({"error": body}, status)
