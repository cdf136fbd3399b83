"""The upstream server that the settings name."""

import os

from batchline_simulator.config import SimulatorConfig
from batchline_simulator.upstream.exchange import Upstream


def open_upstream(config: SimulatorConfig) -> Upstream | None:
    """Open it, with the key that the named variable holds; None where none is named."""
    if config.upstream is None:
        return None
    from batchline_simulator.upstream.http_upstream import HttpUpstream  # noqa: PLC0415 - its client is slow to import

    return HttpUpstream(
        config.upstream,
        parallel=config.upstream_parallel,
        timeout_s=config.upstream_timeout_s,
        attempts=config.upstream_attempts,
        model=config.upstream_model,
        key=None if config.upstream_key_env is None else os.environ[config.upstream_key_env],
    )
