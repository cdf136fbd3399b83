"""What `batchline up` can be told."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from batchline_ops.embedded.server import DEFAULT_MAXMEMORY
from batchline_ops.supervisor.service import RestartPolicy, Service

__all__ = ["UpOptions"]


class UpOptions(BaseModel):
    """One stack. Can be written as JSON, so that another process can start it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_dir: Path = Path(".batchline")
    """Holds the server's data, every log and `supervisor.json`. One stack at a time."""

    workers: int = Field(default=1, ge=0, le=64)
    """Worker processes; 0 starts none, for those who run their own."""

    concurrency: int = Field(default=8, ge=1)
    """Threads in each worker."""

    beat: bool = True
    """Whether to run Celery's beat. Workers tick themselves without it."""

    flower: bool = True
    """Whether to run Flower, on a free port of the loopback interface."""

    simulator: bool = False
    """Whether to run the provider simulator and point the workers at it."""

    simulator_args: tuple[str, ...] = ()
    """Added to its command, such as `("--speed", "100")`."""

    redis_url: str | None = None
    """A ledger that runs already; None starts the embedded server, or attaches to it."""

    broker_url: str | None = None
    """Celery's broker; None takes the next database of the ledger's server."""

    port: int = Field(default=0, ge=0, le=65535)
    """The embedded server's; 0 takes the one it had, else any free one."""

    maxmemory: str = DEFAULT_MAXMEMORY
    """Of the embedded server, in its own notation; `"0"` sets no limit."""

    env: dict[str, str] = Field(default_factory=dict)
    """For workers, beat and Flower, such as `BATCHLINE_POLL_INTERVAL_S`."""

    app: str = "batchline_worker.app"
    """The Celery application, as `celery -A` takes it."""

    grace_s: float = Field(default=75.0, gt=0.0)
    """Seconds that a worker has to finish or hand back its work; above its own soft limit of 60."""

    restart: RestartPolicy = RestartPolicy()
    """When a process that ended is started again."""

    services: tuple[Service, ...] | None = None
    """What to run beside the server, instead of everything above. For tests."""

    as_json: bool = False
    """Print one JSON line when everything answers, instead of a summary for people."""
