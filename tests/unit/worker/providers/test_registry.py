"""Tests of finding a provider by name."""

from __future__ import annotations

import pytest

import batchline_worker.providers
from batchline_worker.providers import PROVIDERS


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_provider_is_registered_under_its_own_name(name: str) -> None:
    assert PROVIDERS[name](create_timeout_s=1.0).name == name


def test_the_package_exports_what_it_says_in_order() -> None:
    exported = batchline_worker.providers.__all__

    assert all(hasattr(batchline_worker.providers, name) for name in exported)
    assert exported == sorted(exported, key=lambda name: (not name.isupper(), name[0].islower(), name))
