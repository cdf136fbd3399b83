"""Sending a signed message to an HTTP endpoint, in the form of Standard Webhooks.

Source: https://github.com/standard-webhooks/standard-webhooks, the specification.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from batchline_shared.errors import ConfigurationError
from batchline_shared.ledger import DeliveryError
from batchline_shared.signing import secrets_of
from batchline_worker.hooks.base import Attempt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchline_shared.hooks import Endpoint
    from batchline_worker.hooks.base import Message

__all__ = ["WebhookSender"]


class WebhookSender:
    """Posts to the endpoints that this worker's settings name."""

    def __init__(self, endpoints: Mapping[str, Endpoint], *, timeout_s: float) -> None:
        """Args: timeout_s: Seconds for connecting, and again for each wait on the endpoint."""
        self._endpoints = endpoints
        self._timeout_s = timeout_s

    def send(self, message: Message) -> Attempt:
        """Post once. Redirects are not followed, and the answer's body is not read."""
        name = message.target
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            variable = f"BATCHLINE_WEBHOOKS__{name.upper()}__URL"
            text = f"this worker has no webhook {name!r}; set {variable} and …__SECRET_ENV on all workers"
            return Attempt(DeliveryError.NOT_CONFIGURED, message=text)
        try:
            signature = _signature(endpoint, message)
        except ConfigurationError as error:
            return Attempt(DeliveryError.NOT_CONFIGURED, message=str(error))
        return self._post(endpoint, message, signature)

    def _post(self, endpoint: Endpoint, message: Message, signature: str) -> Attempt:
        # Its TLS takes a moment to import: only workers that send webhooks pay for it.
        import httpx2  # noqa: PLC0415

        headers = {
            "content-type": "application/json",
            "user-agent": "Batchline",
            "webhook-id": message.id,
            "webhook-timestamp": str(int(message.sent_at.timestamp())),
            "webhook-signature": signature,
        }
        try:
            with httpx2.stream(
                "POST", endpoint.url, content=message.body, headers=headers, timeout=self._timeout_s
            ) as answer:
                status = answer.status_code
        except httpx2.TimeoutException:
            text = f"the endpoint did not answer within {self._timeout_s:g} s"
            return Attempt(DeliveryError.TIMEOUT, message=text)
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            # A host that IDNA cannot write is a ValueError. Only the class: the words may quote the address.
            text = f"the endpoint cannot be reached ({type(error).__name__})"
            return Attempt(DeliveryError.UNREACHABLE, message=text)
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return Attempt(status_code=status)
        return Attempt(DeliveryError.STATUS, status, f"the endpoint answered with {status}")


def _signature(endpoint: Endpoint, message: Message) -> str:
    """One signature for each secret, parted by spaces."""
    text = message.body.decode()
    secrets = secrets_of(endpoint.secret_env)
    return " ".join(secret.sign(message.id, message.sent_at, text) for secret in secrets)
