"""What can be set, in the environment (`BATCHLINE_…`) or in the file that `BATCHLINE_ENV_FILE` names.

One frozen object per process, validated when it is made. Provider keys are
not here: only workers read them (`batchline_worker.settings`).
"""

from __future__ import annotations

import os
from typing import Annotated, Final, Self
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from batchline_shared.accounts import OWN_ACCOUNT, Account, AccountName, ModelName
from batchline_shared.errors import ConfigurationError, InvalidModelError
from batchline_shared.hooks import Endpoint, EndpointName, TaskDefaults
from batchline_shared.limits import AccountLimits
from batchline_shared.redis_url import SENTINEL

__all__ = ["LONGEST_LINGER_S", "Settings", "describe_invalid"]

LONGEST_LINGER_S: Final = 24 * 3600.0
"""A longer wait than a provider's own window is a mistake."""


class Settings(BaseSettings):
    """Settings that the client and the workers share."""

    model_config = SettingsConfigDict(
        env_prefix="BATCHLINE_",
        env_nested_delimiter="__",
        env_parse_none_str="none",
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,  # it may be an address with its password
    )

    redis_url: str = Field(default="redis://localhost:6379/0", repr=False)
    """The ledger: `redis://`, `rediss://` (TLS), `sentinel://` or `unix://`; see `redis_url`.

    Holds every job; needs AOF and noeviction. It may hold a password, so no `repr` shows it.
    """

    broker_url: str = Field(default="", repr=False)
    """Celery's broker. Empty: the next database of the ledger's server."""

    poll_interval_s: float = Field(default=10.0, ge=0.05)
    """Seconds before a provider batch is polled for the first time, and the least between two polls."""

    poll_max_interval_s: float = Field(default=300.0, ge=0.05)
    """Seconds to which the interval grows while a batch does not change."""

    tick_interval_s: float = Field(default=1.0, ge=0.05)
    """Seconds between two looks at the due set. A lost nudge costs one of these."""

    lease_s: float = Field(default=120.0, ge=1.0)
    """Seconds for which a worker owns the work it took; renewed while it works."""

    create_timeout_s: float = Field(default=60.0, gt=0.0)
    """Seconds to wait for the answer to a batch creation, before its outcome counts as unknown."""

    reconcile_quiet_s: float = Field(default=90.0, gt=0.0)
    """Seconds between a creation of unknown outcome and the look at the provider's list.

    At least `create_timeout_s`, so that the request can no longer be under way,
    plus the time the provider needs to list a new batch.
    """

    doubt_after_s: float = Field(default=3600.0, gt=0.0)
    """Seconds of failing look-ups after which a creation of unknown outcome becomes `in_doubt`."""

    quarantine_after: int = Field(default=5, ge=1)
    """Workers in a row that may die over a shard or job, or hang, before it is set aside. Workers only."""

    audit_interval_s: float | None = Field(default=3600.0, ge=1.0)
    """Seconds between two audits of an account, which pair its batches with shards; `none`: never.

    Workers only, as the next one.
    """

    audit_window_s: float = Field(default=3 * 24 * 3600.0, ge=3600.0)
    """How far back an audit looks, in seconds: longer than any batch runs."""

    submit_give_up_s: float = Field(default=3600.0, gt=0.0)
    """Seconds for which a shard that the provider refuses (no key, no quota) is tried again."""

    live_requests_per_minute: int = Field(default=300, ge=1, le=1_000_000)
    """Requests that an account is asked through its live API in a minute, by all workers together.

    Only where a job's deadline has passed and its `on_deadline` is "live". Workers only, as the next two.
    """

    live_parallel: int = Field(default=8, ge=1, le=256)
    """Such requests that one worker process has under way at the same time."""

    live_timeout_s: float = Field(default=300.0, gt=0.0)
    """Longest silence of such a request, in seconds, before its answer counts as lost."""

    accounts: dict[AccountName, Account] = Field(default_factory=dict)
    """Accounts beside the providers' own, by the name after `@` in `provider@account/model-name`.

    As `BATCHLINE_ACCOUNTS__GROQ__BASE_URL=…` for each field, or as one JSON object. Clients and workers
    need the same ones; keys are not here, only the names of the variables that hold them.
    """

    limits: dict[str, AccountLimits] = Field(default_factory=dict)
    """What all batches of a provider's usual account may hold together, by provider; see `limits`.

    As `BATCHLINE_LIMITS__OPENAI__ENQUEUED_TOKENS=…` for each field, or as one JSON object. A named account
    has the same fields among its own. Workers only.
    """

    max_attempts: int = Field(default=3, ge=1, le=100)
    """How often a request is sent at most, where `enqueue` does not say; 1: never again by itself."""

    retry_backoff_s: float = Field(default=30.0, ge=0.0, le=7 * 24 * 3600.0)
    """Seconds before a job's second attempt, where `enqueue` does not say; doubled for each further one."""

    linger_s: float = Field(default=0.0, ge=0.0, le=LONGEST_LINGER_S)
    """Seconds for which a job's requests may wait for others to share a provider batch with, where `enqueue`
    does not say; 0: every job has its own batches."""

    retention_s: int = Field(default=30 * 24 * 3600, ge=0)
    """Seconds for which a finished job is kept. 0: until it is deleted. Default: 30 days, as OpenAI does."""

    clean_up_after_s: float | None = Field(default=7 * 24 * 3600, ge=0)
    """Seconds after a job's end until its files at the provider are deleted, requests and results.

    `none`: never by us. At the latest shortly before the job's own retention ends.
    """

    on_complete: TaskDefaults = TaskDefaults()
    """Where the application's own tasks are sent once a job has ended: `BATCHLINE_ON_COMPLETE__QUEUE=…`."""

    webhooks: dict[EndpointName, Endpoint] = Field(default_factory=dict)
    """Endpoints that `enqueue(webhook=…)` names: `BATCHLINE_WEBHOOKS__SHOP__URL=…`, `…__SECRET_ENV=…`.

    On workers. A client that has some as well refuses a name that is not among them.
    """

    webhook_waits_s: tuple[Annotated[float, Field(ge=0.0)], ...] = (5, 300, 1800, 7200, 18000, 36000, 36000)
    """Seconds before each further attempt at a webhook, as JSON; after the last it is given up.

    By default eight attempts within about 28 hours, as Standard Webhooks proposes.
    """

    webhook_timeout_s: float = Field(default=15.0, gt=0.0)
    """Seconds to wait for a webhook's endpoint."""

    shard_max_requests: int | None = Field(default=None, ge=1)
    """Requests in one provider batch; None: the provider's own limit, which also caps this."""

    shard_max_bytes: int | None = Field(default=None, ge=1024)
    """Bytes in one provider batch; None: the provider's own limit, which also caps this."""

    durable_writes: bool = True
    """Wait until an enqueued job and a submission's intent are on disk (WAITAOF), where the server can."""

    @field_validator("redis_url", "broker_url")
    @classmethod
    def _readable(cls, url: str) -> str:
        """Refuse what nobody can take apart: errors of those who try would quote the password, or a part."""
        try:
            # Sentinels, and brokers of Celery's, may be several.
            several = urlsplit(url).scheme == SENTINEL or ";" in url
            _ = None if several else urlsplit(url).port
        except ValueError:
            raise ValueError("is no Redis URL; does the password need percent-encoding?") from None
        return url

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """Refuse combinations that could pay twice or never end."""
        if self.lease_s < self.create_timeout_s + 5:
            msg = (
                f"BATCHLINE_LEASE_S ({self.lease_s:g}) must be at least 5 s longer than "
                f"BATCHLINE_CREATE_TIMEOUT_S ({self.create_timeout_s:g}): "
                "a lease must outlive the call it covers"
            )
            raise ValueError(msg)
        if self.reconcile_quiet_s < self.create_timeout_s:
            msg = (
                f"BATCHLINE_RECONCILE_QUIET_S ({self.reconcile_quiet_s:g}) must not be shorter than "
                f"BATCHLINE_CREATE_TIMEOUT_S ({self.create_timeout_s:g}): the call may still be under way"
            )
            raise ValueError(msg)
        return self

    def account(self, model: ModelName) -> Account:
        """The account that a model's name names.

        Raises:
            InvalidModelError: The settings name no such account, or one of another provider.
        """
        if not model.account:
            return OWN_ACCOUNT
        account = self.accounts.get(model.account)
        if account is None:
            known = ", ".join(sorted(self.accounts)) or "none"
            raise InvalidModelError(
                f"there is no account {model.account!r} (there is: {known}); "
                f"set BATCHLINE_ACCOUNTS__{model.account.upper()}__… on clients and workers"
            )
        if account.provider != model.provider:
            raise InvalidModelError(
                f"account {model.account!r} is one of {account.provider}: "
                f'use "{account.provider}@{model.account}/{model.name}"'
            )
        return account

    @classmethod
    def load(cls, **overrides: object) -> Self:
        """Read the environment and, where `BATCHLINE_ENV_FILE` names one, that file.

        Args:
            overrides: Values that win over both.

        Raises:
            ConfigurationError: A value is missing, malformed or inconsistent; names the variable.
        """
        env_file = os.environ.get("BATCHLINE_ENV_FILE")
        if env_file and not os.path.isfile(env_file):  # noqa: PTH113 - pathlib would cost the client its import
            raise ConfigurationError(f"BATCHLINE_ENV_FILE names {env_file!r}, which is no file")
        try:
            return cls(_env_file=env_file, **overrides)  # type: ignore[arg-type]
        except ValidationError as error:
            raise ConfigurationError(describe_invalid(error)) from None
        except SettingsError as error:
            # Only these are written as JSON; what was parsed stands in the cause, and stays out.
            raise ConfigurationError(
                "BATCHLINE_ACCOUNTS, BATCHLINE_LIMITS, BATCHLINE_ON_COMPLETE, BATCHLINE_WEBHOOKS or "
                f"BATCHLINE_WEBHOOK_WAITS_S, or a part of them, is no JSON ({error})"
            ) from None

    @property
    def effective_broker_url(self) -> str:
        """`broker_url`, or the database after the ledger's, so that flushing one spares the other."""
        if self.broker_url:
            return self.broker_url
        parts = urlsplit(self.redis_url)
        if parts.scheme == "unix":
            return self.redis_url.replace("unix://", "redis+socket://", 1)
        database = parts.path.strip("/") or "0"
        return (
            urlunsplit(parts._replace(path=f"/{int(database) + 1}")) if database.isdigit() else self.redis_url
        )


def describe_invalid(error: ValidationError) -> str:
    """Say which variables are wrong, without quoting their values: one may be a secret."""
    problems = []
    for item in error.errors(include_url=False, include_input=False):
        name = "__".join(str(part) for part in item["loc"])
        where = f"BATCHLINE_{name.upper()}: " if name else ""
        problems.append(where + item["msg"].removeprefix("Value error, "))
    return "; ".join(problems)
