"""Flower is never open to others without a password."""

from __future__ import annotations

import pytest

from batchline_ops.flower import FlowerRefusedError, require_protection


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_the_loopback_interface_needs_no_password(address: str) -> None:
    require_protection(address, basic_auth=None)


@pytest.mark.parametrize("address", ["", "0.0.0.0", "::", "10.1.2.3", "flower.example"])
def test_an_address_that_others_reach_is_refused_without_a_password(address: str) -> None:
    with pytest.raises(FlowerRefusedError, match="FLOWER_BASIC_AUTH=user:password"):
        require_protection(address, basic_auth=None)


def test_a_unix_socket_counts_as_reachable_because_flower_opens_it_to_everybody() -> None:
    with pytest.raises(FlowerRefusedError, match=r"/run/flower\.sock"):
        require_protection("127.0.0.1", basic_auth=None, unix_socket="/run/flower.sock")


def test_a_password_opens_every_address() -> None:
    require_protection("0.0.0.0", basic_auth=["ops:long-enough"])
    require_protection("0.0.0.0", basic_auth=None, oauth="ops@example.com")


@pytest.mark.parametrize("pair", ["", "ops", "ops:", ":secret-word"])
def test_half_a_password_is_refused_and_never_quoted(pair: str) -> None:
    with pytest.raises(FlowerRefusedError, match="user:password") as refusal:
        require_protection("127.0.0.1", basic_auth=[pair])

    assert "secret-word" not in str(refusal.value)
