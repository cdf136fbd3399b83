"""Every setting of the simulator, and how each is given on the command line.

Settings come from the constructor or the command line only, never from the
environment: a stray `PORT` must not move the server that a test relies on. The
one variable that is read is the one that `upstream_key_env` names.
"""

import json
import os
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from batchline_simulator.quirks import Quirk


class SimulatorConfig(BaseSettings):
    """What one simulator process does."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        cli_kebab_case=True,
        cli_prog_name="python -m batchline_simulator",
    )

    data_dir: Path
    """Folder of the state and the files. Made when missing; a restart on it goes on where it stopped."""

    host: str = "127.0.0.1"
    """Address to listen on."""

    port: int = Field(default=0, ge=0, le=65535)
    """TCP port. 0, the default, takes a free one, which the ready line names."""

    speed: float = Field(default=1.0, ge=0.0)
    """Divides every recorded delay of the provider. 0 means no delay at all."""

    responder: str | None = None
    """`module:function` that is given a request body and returns the answer. Default: random valid ones."""

    upstream: str | None = None
    """URL of an OpenAI-compatible server that answers every request, as `http://localhost:11434/v1`."""

    upstream_key_env: str | None = None
    """Name of the environment variable that holds the upstream server's key. Default: no key is sent."""

    upstream_parallel: int = Field(default=4, ge=1)
    """Requests at the upstream server at once, over all batches."""

    upstream_timeout_s: float = Field(default=600.0, gt=0.0)
    """Longest wait for the next part of an upstream reply, in seconds."""

    upstream_attempts: int = Field(default=6, ge=1)
    """Attempts at one upstream request where the server is busy, broken or away."""

    upstream_model: str | None = None
    """Model asked of the upstream server, whatever model a request names."""

    fault: dict[str, float] = Field(default_factory=dict)
    """Fault rates in [0, 1], as `row.server_error=0.05` or `batches.create.drop_after=0.1`."""

    faults: Path | None = None
    """JSON file with a list of faults, in the form that `POST /_sim/faults` takes."""

    token_limit: dict[str, int] = Field(default_factory=dict)
    """Enqueued prompt tokens allowed per model, as `gpt-4o-mini=2000000`. Unlisted models are not limited."""

    api_keys: frozenset[str] = frozenset()
    """Accepted bearer keys. Empty, the default, accepts every key but the empty one."""

    unsupported_models: frozenset[str] = frozenset({"invalid-model-xyz"})
    """Models that fail a batch with `model_not_found`."""

    service_account_file: Path | None = None
    """File that receives a made-up service account, for `GOOGLE_APPLICATION_CREDENTIALS`, at every start."""

    buckets: dict[str, str] = Field(default_factory=dict)
    """Cloud Storage buckets that are there from the start, with their locations, as `name=us-central1`."""

    denied_buckets: frozenset[str] = frozenset()
    """Buckets on which every call gets 403, whether or not they exist."""

    output_denied_buckets: frozenset[str] = frozenset()
    """Buckets that callers may use and Vertex's jobs may not write to."""

    prediction_shards: int = Field(default=1, ge=1)
    """Into how many objects a Vertex job's predictions are split."""

    prediction_shard_name: str = "predictions.jsonl-{shard:05}-of-{shards:05}"
    """How these are named where there is more than one."""

    coerce_numeric_strings: bool = False
    """Whether Vertex shows a column such as "000017" as the number 17, as users have seen it do."""

    retired_models: dict[str, str] = Field(default_factory=dict)
    """Models that the Gemini API no longer offers, each with the one it recommends instead."""

    gemini_max_batches: int = Field(default=100, ge=1)
    """Batches that may be under way at the Gemini API at once."""

    organization: str = "org-simulated"
    """Organization named in the provider's messages."""

    max_lines: int = Field(default=50_000, ge=1)
    """Requests allowed in one batch."""

    max_inputs: int = Field(default=50_000, ge=1)
    """Texts to embed allowed in one batch, over all of its requests."""

    max_input_bytes: int = Field(default=209_715_200, ge=1)
    """Largest input file of a batch, in bytes."""

    max_upload_bytes: int = Field(default=536_870_912, ge=1)
    """Largest file that an upload takes, in bytes."""

    max_batches_per_hour: int | None = None
    """Batches allowed within an hour of real time; the provider allows 2,000. Default: no limit."""

    cancelled_lines: bool = True
    """Whether a cancelled batch lists the requests that never ran. Unverified, so a choice."""

    quirks: frozenset[Quirk] = frozenset()
    """How the OpenAI side differs from OpenAI, as compatible servers do. `quirks` lists the names."""

    anthropic_sampling: Literal["refuse_line", "refuse_call", "take"] = "refuse_line"
    """What Anthropic makes of `temperature` and the like from API version 2026-10-21 on. Unverified."""

    anthropic_max_requests: int = Field(default=100_000, ge=1)
    """Requests allowed in one batch of Anthropic's."""

    anthropic_max_bytes: int = Field(default=268_435_456, ge=1)
    """Largest body of a create call of Anthropic's, in bytes."""

    anthropic_queue_limit: int | None = None
    """Requests of Anthropic's allowed in all live batches together; its tiers have 200,000 to 500,000."""

    anthropic_poll_hint_s: int | None = 10
    """Value of `retry-after` when a live batch of Anthropic's is shown, in seconds. None sends no header."""

    seed: int = 0
    """Mixed into every fault rate, so that another seed breaks other requests."""

    ready_file: Path | None = None
    """File that receives the ready line too."""

    @field_validator("upstream")
    @classmethod
    def _is_http(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError("give a URL with http:// or https://")
        return url

    @field_validator("upstream_key_env")
    @classmethod
    def _is_set(cls, name: str | None) -> str | None:
        if name is not None and not os.environ.get(name):
            raise ValueError(f"the environment variable {name} is not set; put the key there")
        return name

    @model_validator(mode="after")
    def _answers_from_one_place(self) -> Self:
        if self.upstream is not None and self.responder is not None:
            raise ValueError("--upstream and --responder both say who answers; give one of them")
        if self.upstream is None and (self.upstream_key_env or self.upstream_model):
            raise ValueError("--upstream-key-env and --upstream-model need --upstream")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the constructor's arguments and nothing else."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    def arguments(self) -> list[str]:
        """Write the settings as the command line that gives them back."""
        given: list[str] = []
        for name, value in self.model_dump(mode="json", exclude_defaults=True).items():
            text = json.dumps(value) if isinstance(value, dict | list | bool) else str(value)
            given += [f"--{name.replace('_', '-')}", text]
        return given
