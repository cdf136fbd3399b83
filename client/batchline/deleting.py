"""Deleting a finished job, as `Job.delete` does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from batchline_shared.errors import JobNotReadyError
from batchline_shared.ledger import Stage
from batchline_shared.ledger.deletion import Deletion

if TYPE_CHECKING:
    from batchline.connection import Connection

__all__ = ["delete"]

_CLOSING_S: Final = 10.0
"""How long a worker may take from making a job final to closing its work."""


def delete(connection: Connection, job_id: str) -> None:
    """Delete a job that has ended; see `Job.delete`."""
    meta = connection.jobs.meta(job_id)
    deletion = Deletion(connection.redis)
    if not deletion.begin(job_id):
        raise JobNotReadyError(
            f"job {job_id} is {meta.status}; cancel it first, or delete it with force", job_id=job_id
        )
    deadline = time.monotonic() + _CLOSING_S
    while not deletion.forget_work(job_id):
        if time.monotonic() > deadline:
            raise JobNotReadyError(
                f"job {job_id} has ended, but no worker has closed its work yet; delete it again",
                job_id=job_id,
            )
        time.sleep(0.02)
    connection.nudge(Stage.CLEAN)
    deletion.forget(job_id, meta.idempotency)
