"""What runs where: printed when the stack is ready, and kept in `supervisor.json` from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from batchline_ops.embedded.home import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["StackState"]


class StackState(BaseModel):
    """One moment of a stack."""

    model_config = ConfigDict(frozen=True)

    ready: bool
    """Whether every service answers."""

    redis_url: str
    """The ledger; `BATCHLINE_REDIS_URL` of its clients."""

    broker_url: str
    """Celery's broker; `BATCHLINE_BROKER_URL` of its clients."""

    flower_url: str | None = None
    simulator_url: str | None = None
    """Without `/v1`."""

    pids: dict[str, int] = Field(default_factory=dict)
    """By service; one that waits for its restart is left out."""

    @staticmethod
    def path(data_dir: Path) -> Path:
        """Where a stack keeps it."""
        return data_dir / "supervisor.json"

    def write(self, data_dir: Path) -> None:
        """Replace the file; a reader never sees half of it."""
        write_atomically(self.path(data_dir), self.model_dump_json().encode() + b"\n")

    @classmethod
    def read(cls, data_dir: Path) -> StackState | None:
        """Read the file; None if there is none, or none that we wrote."""
        try:
            return cls.model_validate_json(cls.path(data_dir).read_bytes())
        except (OSError, ValidationError):
            return None
