"""Tests of making the transport of a provider's account."""

from __future__ import annotations

import pytest

from batchline_shared.dialects.registry import PROVIDERS
from batchline_shared.errors import ProviderAuthError
from batchline_shared.settings import Settings
from batchline_worker.providers import make_provider


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_provider_goes_by_its_own_name_and_by_that_of_an_account(name: str) -> None:
    settings = Settings.load(accounts={"second": {"provider": name}})

    assert make_provider(name, settings).name == name
    assert make_provider(f"{name}@second", settings).name == f"{name}@second"


@pytest.mark.parametrize("route", ["nobody", "openai@nowhere", "openai@theirs"])
def test_what_a_worker_does_not_know_waits_for_its_operator(route: str) -> None:
    settings = Settings.load(accounts={"theirs": {"provider": "anthropic"}})

    with pytest.raises(ProviderAuthError, match=route):
        make_provider(route, settings)
