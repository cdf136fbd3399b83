"""The worker's app under a clock that is wrong by `FAULTS_SKEW_S`. `celery -A faults.skewed_app`.

`time.time`, `datetime.now` and all that is made of them are moved, `time.monotonic` is not: as on a machine
whose clock was set wrong. Moved before anything of ours is imported, so that nothing keeps the true clock.
"""

import os
from datetime import UTC, datetime, timedelta

import time_machine

_MOVED = time_machine.travel(
    datetime.now(UTC) + timedelta(seconds=float(os.environ["FAULTS_SKEW_S"])),
    tick=True,
)
_MOVED.start()

from batchline_worker.app import app  # noqa: E402 - see above

__all__ = ["app"]
