"""The secrets of Standard Webhooks, from the environment: ours to sign with, a provider's to verify by.

Signing and verifying themselves are the specification's own library's.
"""

from __future__ import annotations

import os
import re
from typing import Final

from standardwebhooks import Webhook

from batchline_shared.errors import ConfigurationError

__all__ = ["secrets_of"]

_SECRET: Final = re.compile(r"whsec_(?=\w|[+/])(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2,3})?={0,2}", re.ASCII)
"""Strict: the library would leave out what is no base64, and sign with the rest."""


def secrets_of(variable: str) -> list[Webhook]:
    """The secrets that an environment variable holds, parted by spaces: several while one replaces another.

    Raises:
        ConfigurationError: It is not set, or holds something else; names the variable.
    """
    secrets = os.environ.get(variable, "").split()
    if not secrets:
        raise ConfigurationError(f"{variable} is not set here; it must hold a webhook's secret, whsec_…")
    if not all(map(_SECRET.fullmatch, secrets)):
        raise ConfigurationError(f"{variable} holds no secret of the form whsec_… (base64)")
    return [Webhook(secret) for secret in secrets]
