"""Whose account at which provider a job runs under, and what sets that account apart.

A model is named `provider/model-name` for the provider's own account, whose key and address the SDK
reads from its usual variables, or `provider@account/model-name` for one that the settings name
(`BATCHLINE_ACCOUNTS__<NAME>__…`): a second key, Azure, or any server that speaks the same API.

An account holds the *name* of the variable with its key, never the key.
"""

from __future__ import annotations

import re
from typing import Annotated, NamedTuple

from pydantic import Field, StringConstraints

from batchline_shared.errors import InvalidModelError
from batchline_shared.limits import AccountLimits

__all__ = ["OWN_ACCOUNT", "Account", "AccountName", "ModelName", "parse_model"]

_NAME = r"[a-z0-9][a-z0-9_-]{0,63}"

_MODEL = re.compile(rf"(?P<provider>[^@/\s]+)(?:@(?P<account>{_NAME}))?/(?P<name>\S+)")

AccountName = Annotated[str, StringConstraints(pattern=rf"^{_NAME}$")]
"""Lower-case letters, digits, `_` and `-`; at most 64. No `@` or `/`, which delimit it in a model's name."""


class Account(AccountLimits, frozen=True, extra="forbid"):
    """What sets one account apart from its provider's usual one. Shared by clients and workers.

    Its limits on all batches together are workers' business only.
    """

    provider: str = "openai"
    """Whose API it speaks."""

    base_url: str | None = None
    """Where the API is: for OpenAI up to and with `/v1`. None: as the SDK finds it.

    Only workers call it. To a client it says that OpenAI's own words and limits for options do not hold.
    """

    api_key_env: str | None = None
    """Name of the environment variable that holds the key. None: the SDK's own variable. Workers only."""

    webhook_secret_env: str | None = None
    """Name of the environment variable with the secret of the account's webhooks, `whsec_…`.

    None: `OPENAI_WEBHOOK_SECRET` or `GEMINI_WEBHOOK_SECRET` for the usual account; a named one has no other.
    Only for processes that receive them.
    """

    path_prefix: str = "/v1"
    """What an OpenAI-compatible server's endpoints begin with inside a batch; empty for Azure."""

    upload_path: str = "/files"
    """Where such a server takes files, below `base_url`: `/files/upload` for Together. Workers only."""

    upload_purpose: str = "batch"
    """What such a server calls a file of requests: `batch-api` for Together. Workers only."""

    max_requests: int | None = Field(default=None, ge=1)
    """Requests that a batch may hold; None: the provider's own limit."""

    max_bytes: int | None = Field(default=None, ge=1024)
    """Bytes that a batch may hold; None: the provider's own limit."""

    price_list: str | None = None
    """Whose prices hold for its models, by their name in genai-prices, such as `azure` or `groq`.

    None: unknown. A second key of OpenAI's has `openai`.
    """

    project: str | None = None
    """Google Cloud project; None: `GOOGLE_CLOUD_PROJECT`. Workers only, as all below."""

    location: str | None = None
    """Google Cloud location; None: `GOOGLE_CLOUD_LOCATION`, else `us-central1`."""

    bucket: str | None = None
    """Cloud Storage bucket for requests and results; None: `GCS_BUCKET`."""

    credentials_file: str | None = None
    """Service account file; None: as Google's libraries find one (`GOOGLE_APPLICATION_CREDENTIALS`, …)."""


OWN_ACCOUNT = Account()
"""A provider's usual account: nothing is set apart."""


class ModelName(NamedTuple):
    """`provider@account/name`, taken apart."""

    provider: str
    account: str
    """Empty: the provider's usual account."""
    name: str
    """As the provider calls the model; may hold slashes."""

    @property
    def route(self) -> str:
        """Provider and account, as a shard and a worker know them: `openai` or `openai@groq`."""
        return f"{self.provider}@{self.account}" if self.account else self.provider


def parse_model(model: object) -> ModelName:
    """Split `provider/model-name` or `provider@account/model-name`.

    Raises:
        InvalidModelError: It is not of that form. Whether there is such a provider is not looked at.
    """
    found = _MODEL.fullmatch(model) if isinstance(model, str) else None
    if found is None:
        raise InvalidModelError(
            f'{model!r} is no model: use "provider/model-name", for example "openai/gpt-4.1-mini", '
            'or "provider@account/model-name" for an account that BATCHLINE_ACCOUNTS names'
        )
    return ModelName(found["provider"], found["account"] or "", found["name"])
