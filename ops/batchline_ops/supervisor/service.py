"""What the supervisor runs, as data: no code of a service is imported here."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from batchline_ops.supervisor.probes import Alive, Probe

__all__ = ["RestartPolicy", "Service"]


class Service(BaseModel):
    """One process to keep running."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    """Names its log and its entry in `pids`, such as `worker-1`. Unique in a stack."""

    command: tuple[str, ...] = Field(min_length=1)
    """Program and arguments; no shell reads them."""

    env: dict[str, str] = Field(default_factory=dict)
    """Added to the supervisor's own environment."""

    cwd: Path | None = None
    """Working directory; None keeps the supervisor's."""

    probe: Probe = Alive()
    """When it counts as ready."""

    stage: int = 1
    """A stage starts when every service of the lower ones is ready, and stops before them."""

    grace_s: float = Field(default=10.0, gt=0.0)
    """Seconds between SIGTERM and SIGKILL when the stack stops."""

    death_signal: Literal["SIGTERM", "SIGKILL"] = "SIGKILL"
    """What it gets when the supervisor itself is killed. SIGTERM only for what must save its state."""


class RestartPolicy(BaseModel):
    """How soon a service that ended is started again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_s: float = Field(default=0.5, gt=0.0)
    """Upper bound of the first wait, in seconds."""

    cap_s: float = Field(default=30.0, gt=0.0)
    """Upper bound of every wait, in seconds."""

    stable_s: float = Field(default=30.0, ge=0.0)
    """Seconds of running after which earlier failures are forgotten."""

    start_attempts: int = Field(default=3, ge=1)
    """Runs that may end before they were ready, while the stack starts; then the start has failed."""

    start_timeout_s: float = Field(default=90.0, gt=0.0)
    """Seconds that each stage has to become ready, while the stack starts."""

    def delay_s(self, failures: int) -> float:
        """Pick a random wait that grows with each failure.

        Full jitter: uniform in [0, min(cap, base · 2^(failures - 1))], so that
        workers which a lost server took down together do not return together.

        Args:
            failures: Ends since the last stable run; at least 1.

        Returns:
            Seconds to wait, at most `cap_s`.

        Source:
            AWS Architecture Blog, "Exponential Backoff And Jitter" (2015).
        """
        # 2.0**1024 overflows; past 63 the cap has long since won.
        ceiling = min(self.cap_s, self.base_s * 2.0 ** min(failures - 1, 63))
        return random.uniform(0.0, ceiling)  # noqa: S311 - jitter, not a secret
