"""One server and one simulator for all tests on live processes; the workers are each test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from acceptance.live_stack import LiveStack, simulator_config
from batchline_ops.embedded import EmbeddedServer
from batchline_simulator import SimulatorProcess, running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def live_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="session")
def live_simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    with running_simulator(simulator_config(tmp_path_factory.mktemp("simulator"), speed=0)) as simulator:
        yield simulator


@pytest.fixture
def stack(
    live_server: EmbeddedServer, live_simulator: SimulatorProcess, tmp_path: Path
) -> Iterator[LiveStack]:
    stack = LiveStack(live_server.url, live_simulator, tmp_path)
    yield stack
    stack.close()
