"""What `batchline demo` can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["DEFAULT_REQUESTS", "DemoOptions"]


DEFAULT_REQUESTS: Final = 1200
"""A fixed number, so that two machines with other packages run the same amount of work."""


class DemoOptions(BaseModel):
    """One run of the demo."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests: int | None = Field(default=None, ge=1)
    """How many passages to ask about; None: `DEFAULT_REQUESTS`.

    Above the number of passages (about 1,700 here) READMEs are cut anew elsewhere,
    so that no two requests are the same.
    """

    provider: str = "openai"
    """Whose batch API to speak; the simulator plays it, so no key is needed and nothing is paid."""

    as_json: bool = False
    """Print one JSON summary on stdout instead of tables. Progress still goes to stderr."""

    keep: bool = False
    """Leave everything running until Ctrl-C, and keep the data directory."""

    workers: int = Field(default=2, ge=1, le=64)
    """Worker processes."""

    flower: bool = True
    """Whether to run Flower too."""

    data_dir: Path | None = None
    """Holds the server's data and every log. None: a temporary one, removed after a good run."""

    faults: bool = True
    """Whether a few percent of the requests fail at the provider, in the ways real ones do."""

    timeout_s: float = Field(default=600.0, gt=0.0)
    """Seconds after which a job that has not ended counts as failed."""

    @property
    def count(self) -> int:
        """How many requests the job has."""
        return self.requests or DEFAULT_REQUESTS
