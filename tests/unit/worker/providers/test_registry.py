"""Tests of finding a provider by name."""

from __future__ import annotations

import pytest

from batchline_worker.providers import PROVIDERS


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_provider_is_registered_under_its_own_name(name: str) -> None:
    assert PROVIDERS[name](create_timeout_s=1.0).name == name
