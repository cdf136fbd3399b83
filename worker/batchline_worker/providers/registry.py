"""Making the transport for a provider's account."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from batchline_shared.accounts import OWN_ACCOUNT
from batchline_shared.dialects.registry import PROVIDERS
from batchline_shared.errors import ProviderAuthError

if TYPE_CHECKING:
    from batchline_shared.settings import Settings
    from batchline_worker.providers.base import Provider

__all__ = ["make_provider"]


def make_provider(route: str, settings: Settings) -> Provider:
    """Make the transport for `provider` or `provider@account`; its SDK is imported by its first call.

    The address and the name of the key's variable come from this worker's settings, never from a job.

    Raises:
        ProviderAuthError: This worker has no such provider or account; an operator has to act.
    """
    name, _, account_name = route.partition("@")
    account = settings.accounts.get(account_name) if account_name else OWN_ACCOUNT
    if name not in PROVIDERS:
        raise ProviderAuthError(route, "this worker has no such provider; is it older than the client?")
    if account is None or (account_name and account.provider != name):
        raise ProviderAuthError(
            route,
            f"this worker's settings have no such account; "
            f"set BATCHLINE_ACCOUNTS__{account_name.upper()}__… as on the client",
        )
    transport = import_module(PROVIDERS[name].transport)
    made: Provider = transport.make_provider(route, account, create_timeout_s=settings.create_timeout_s)
    return made
