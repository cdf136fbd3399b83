"""The accounts that the settings name: where each is, and whether its key is here. Keys are never shown."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from batchline_ops.cli.doctor.environment_checks import KEY_VARIABLES, variables_here
from batchline_ops.cli.doctor.findings import fail, ok, warn
from batchline_shared.dialects.registry import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batchline_ops.cli.doctor.findings import Finding
    from batchline_shared.accounts import Account

__all__ = ["check_accounts"]


def check_accounts(accounts: Mapping[str, Account]) -> list[Finding]:
    """One finding for each account, in the order of their names."""
    is_here = variables_here()
    return [_account(name, account, is_here) for name, account in sorted(accounts.items())]


def _account(name: str, account: Account, is_here: Callable[[str], bool]) -> Finding:
    check = f"Account {account.provider}@{name}"
    variable = f"BATCHLINE_ACCOUNTS__{name.upper()}"
    if account.provider not in PROVIDERS:
        return fail(
            check, "there is no such provider", f"Set {variable}__PROVIDER to {' or '.join(PROVIDERS)}"
        )
    where = _host(account.base_url)
    if where is None:
        return fail(
            check, "its base URL is no http or https address", f"Correct {variable}__BASE_URL: https://…"
        )
    needed = _needed(account)
    missing = [" or ".join(group) for group in needed if not any(map(is_here, group))]
    if missing:
        advice = "Only workers need it; set it where they run"
        return warn(check, f"{where}, but {', '.join(missing)} is not set here", advice)
    found = [name for group in needed for name in group if is_here(name)][: len(needed)]
    return ok(check, f"{where}; {', '.join(found)} is set" if found else where)


def _host(base_url: str | None) -> str | None:
    """The host alone: the rest may hold a secret."""
    if base_url is None:
        return "at the provider's usual address"
    parts = urlsplit(base_url)
    return f"at {parts.hostname}" if parts.scheme in ("http", "https") and parts.hostname else None


def _needed(account: Account) -> list[tuple[str, ...]]:
    """Groups of variables, of each of which one must be set."""
    if account.provider == "google":
        given = (account.project, account.bucket)
        groups = zip(KEY_VARIABLES["google"], given, strict=True)
        return [group for group, value in groups if not value]
    if account.api_key_env:
        return [(account.api_key_env,)]
    return list(KEY_VARIABLES[account.provider])
