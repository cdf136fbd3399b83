"""Webhooks: signed so that others verify them, and every way to fail is told apart, without a secret."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from openai import InvalidWebhookSignatureError

from batchline_shared.hooks import Endpoint
from batchline_shared.ledger import DeliveryError
from batchline_worker.hooks import Attempt, Message
from batchline_worker.hooks.webhooks import WebhookSender
from http_receiver import SECRET, Receiver, receiver

if TYPE_CHECKING:
    from collections.abc import Iterator

OTHER_SECRET = "whsec_YW5vdGhlci1zZWNyZXQtdGhhdC1pcy1hcy1sb25n"


@pytest.fixture
def endpoint() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_SECRET", SECRET)


def message(**changes: Any) -> Message:
    given = {
        "id": "job_1-1",
        "target": "shop",
        "job_id": "job_1",
        "body": '{"type":"batch.completed","data":{"metadata":{"name":"Zoë"}}}'.encode(),
        "sent_at": datetime.now(UTC),
    }
    return Message(**given | changes)


def sender(url: str, *, timeout_s: float = 5.0) -> WebhookSender:
    made = Endpoint(url=url, secret_env="SHOP_SECRET", allow_http=True)
    return WebhookSender({"shop": made}, timeout_s=timeout_s)


def test_a_message_is_delivered_as_it_is_and_anybody_s_library_verifies_it(endpoint: Receiver) -> None:
    sent = message()

    assert sender(endpoint.url).send(sent) == Attempt(status_code=204)

    (got,) = endpoint.received
    got.verify()
    assert got.body == sent.body
    assert got.headers["webhook-id"] == sent.id
    assert got.headers["webhook-timestamp"] == str(int(sent.sent_at.timestamp()))
    assert got.headers["content-type"] == "application/json"


def test_a_message_that_was_changed_on_the_way_is_not_verified(endpoint: Receiver) -> None:
    sender(endpoint.url).send(message())

    (got,) = endpoint.received
    with pytest.raises(InvalidWebhookSignatureError):
        got._replace(body=got.body.replace(b"completed", b"failed")).verify()
    with pytest.raises(InvalidWebhookSignatureError):
        got.verify(OTHER_SECRET)


def test_while_secrets_change_a_message_is_signed_with_both(
    endpoint: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_SECRET", f"{SECRET} {OTHER_SECRET}")
    sender(endpoint.url).send(message())

    endpoint.received[0].verify(SECRET)
    endpoint.received[0].verify(OTHER_SECRET)


@pytest.mark.parametrize("status", [301, 307, 400, 404, 410, 429, 500, 503])
def test_every_other_status_is_a_failure_and_a_redirect_is_not_followed(
    endpoint: Receiver, status: int
) -> None:
    endpoint.statuses.append(status)

    attempt = sender(endpoint.url).send(message())

    assert (attempt.error, attempt.status_code) == (DeliveryError.STATUS, status)
    assert len(endpoint.received) == 1


def test_an_endpoint_that_does_not_answer_is_left_in_time(endpoint: Receiver) -> None:
    endpoint.slow.set()

    attempt = sender(endpoint.url, timeout_s=0.1).send(message())

    assert attempt.error is DeliveryError.TIMEOUT
    assert "0.1 s" in attempt.message


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/?token=planted-token", "http://no..host/planted-token"])
def test_one_that_cannot_be_reached_is_told_without_its_address(url: str) -> None:
    attempt = sender(url).send(message())

    assert attempt.error is DeliveryError.UNREACHABLE
    assert "planted-token" not in attempt.message


def test_a_certificate_that_is_not_trusted_is_a_failure(endpoint: Receiver) -> None:
    attempt = sender(endpoint.url.replace("http:", "https:")).send(message())

    assert attempt.error is DeliveryError.UNREACHABLE
    assert endpoint.received == []


def test_an_unknown_name_says_what_to_set(endpoint: Receiver) -> None:
    attempt = sender(endpoint.url).send(message(target="warehouse"))

    assert attempt.error is DeliveryError.NOT_CONFIGURED
    assert "BATCHLINE_WEBHOOKS__WAREHOUSE__URL" in attempt.message


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_planted#", "whsec_p"])
def test_a_missing_or_malformed_secret_names_its_variable_and_sends_nothing(
    endpoint: Receiver, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("SHOP_SECRET", secret)

    attempt = sender(endpoint.url).send(message())

    assert attempt.error is DeliveryError.NOT_CONFIGURED
    assert "SHOP_SECRET" in attempt.message
    assert "planted" not in attempt.message
    assert endpoint.received == []
