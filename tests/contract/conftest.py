"""Each provider's transport, in front of a server that plays the provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contract.provider_bench import WIRINGS, started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contract.provider_bench import Bench


@pytest.fixture(scope="module", params=sorted(WIRINGS))
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with started(request.param, tmp_path_factory.mktemp("simulator")) as bench:
        yield bench


@pytest.fixture
def bench(running: Bench) -> Bench:
    running.server.set_faults()
    return running
