"""A worker's own settings, besides those it shares with the client."""

from __future__ import annotations

import os
from typing import Literal

from dotenv import load_dotenv
from pydantic import Field

from batchline_shared.settings import Settings

__all__ = ["WorkerSettings", "load_provider_keys"]


class WorkerSettings(Settings):
    """`BATCHLINE_…` settings that only workers read."""

    parallel_uploads: int = Field(default=2, ge=1)
    """Shards that one process builds and submits at the same time."""

    parallel_collects: int = Field(default=2, ge=1)
    """Batches whose results one process reads at the same time."""

    parallel_notices: int = Field(default=2, ge=1)
    """Ends of jobs that one process tells at the same time; an endpoint may be slow."""

    log_format: Literal["json", "console"] = "json"
    """How log lines look: `json` for machines, `console` for people."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least that is logged."""


def load_provider_keys() -> None:
    """Put the variables of the file that `BATCHLINE_ENV_FILE` names into the environment.

    The SDKs read their own variables (`OPENAI_API_KEY`, `OPENAI_BASE_URL`, …)
    from there. What is set already wins.
    """
    env_file = os.environ.get("BATCHLINE_ENV_FILE")
    if env_file:
        load_dotenv(env_file, override=False)
