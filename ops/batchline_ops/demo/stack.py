"""The demo's processes and where they write."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from batchline_ops.simulated import SIMULATED
from batchline_ops.supervisor import UpOptions

if TYPE_CHECKING:
    from batchline_ops.demo.options import DemoOptions

__all__ = ["DataDir", "stack_options"]

_RESPONDER: Final = "batchline_ops.demo.responder:answer"

_SPEED: Final = 2.0
"""A batch takes four seconds instead of the eight of a recorded tiny one: long enough to watch."""

_SPEEDS: Final = {"anthropic": 12.0}
"""Providers whose recorded tiny batch took longer."""

_PARTS: Final = 12
"""About so many batches, so that both workers have something to do. One would be enough."""

_FAULTS: Final = {
    "row.rate_limit": 0.010,
    "row.server_error": 0.012,
    "row.refusal": 0.008,
    "row.length": 0.008,
    "row.content_filter": 0.004,
    "row.not_json": 0.010,
}
"""Rates per request: about one in twenty fails, more than at a provider on a good day."""


class DataDir:
    """The run's directory; a temporary one is removed at the end unless it is worth a look."""

    def __init__(self, given: Path | None) -> None:
        """Use the given directory, which is never removed, or make one."""
        self.temporary = given is None
        self.path = Path(tempfile.mkdtemp(prefix="batchline-demo-")) if given is None else given.absolute()

    def remove(self) -> None:
        """Remove it, if it is ours."""
        if self.temporary:
            shutil.rmtree(self.path, ignore_errors=True)


def stack_options(options: DemoOptions, data_dir: Path) -> UpOptions:
    """Choose the processes and their settings."""
    faults = [part for name, rate in _FAULTS.items() for part in ("--fault", f"{name}={rate}")]
    return UpOptions(
        data_dir=data_dir,
        workers=options.workers,
        flower=options.flower,
        simulator=True,
        simulator_args=(
            "--responder", _RESPONDER, "--speed", str(_SPEEDS.get(options.provider, _SPEED)),
            *(faults if options.faults else ()),
        ),
        env=_environment(options),
    )  # fmt: skip


def _environment(options: DemoOptions) -> dict[str, str]:
    """What the workers are told. Nothing of the user's own setup may lead to a real provider."""
    local = "127.0.0.1,localhost"
    return {
        # Empty counts as unset, so the stack puts the simulator's addresses there.
        **dict.fromkeys([name for one in SIMULATED.values() for name in one.variables], ""),
        "BATCHLINE_ENV_FILE": "",
        "NO_PROXY": ",".join(filter(None, (os.environ.get("NO_PROXY"), local))),
        "no_proxy": ",".join(filter(None, (os.environ.get("no_proxy"), local))),
        "BATCHLINE_POLL_INTERVAL_S": "0.25",
        "BATCHLINE_POLL_MAX_INTERVAL_S": "1",
        "BATCHLINE_TICK_INTERVAL_S": "0.5",
        "BATCHLINE_SHARD_MAX_REQUESTS": str(max(1, -(-options.count // _PARTS))),
    }
