"""Single calls through google-genai, and what is known of those that go wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from batchline_shared.errors import ProviderAuthError, ProviderBusyError, ProviderError, ProviderRejectedError
from batchline_worker.providers.google_calls import GoogleCalls, milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def built() -> list[str]:
    return []


@pytest.fixture
def calls(built: list[str]) -> Iterator[GoogleCalls]:
    def build(location: str, _: Any) -> Any:
        built.append(location)
        return location

    made = GoogleCalls(
        "google",
        build,
        base_url=lambda: "http://127.0.0.1:9",
        api_version="v1",
        connect_timeout_s=1,
        read_timeout_s=1,
    )
    yield made
    made.close()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("secret-key is odd"), ProviderRejectedError),
        (TypeError("x"), ProviderRejectedError),
        (RuntimeError("x"), ProviderBusyError),
        (ProviderAuthError("google", "x"), ProviderAuthError),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else type(value).__name__,
)
def test_what_goes_wrong_before_anything_is_sent_is_no_unknown_outcome(
    calls: GoogleCalls, error: Exception, expected: type[ProviderError]
) -> None:
    def call(_: Any) -> None:
        raise error

    with pytest.raises(ProviderError) as raised:
        calls.json(call, secret="secret-key")

    assert type(raised.value) is expected
    assert "secret-key" not in str(raised.value)


def test_each_location_has_one_client_until_the_connections_are_given_back(
    calls: GoogleCalls, built: list[str]
) -> None:
    for location in ("us-central1", "global", "us-central1"):
        calls.json(lambda client: client, location=location)
    calls.close()
    calls.json(lambda client: client, location="global")

    assert built == ["us-central1", "global", "global"]


def test_time_outs_are_given_in_milliseconds_and_never_as_none() -> None:
    assert [milliseconds(seconds) for seconds in (60.0, 0.3, 0.0001)] == [60_000, 300, 1]
