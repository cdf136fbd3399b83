"""Taking a provider's webhook as a hint that a batch has ended: its poll is due at once.

Nothing of it is believed but that. One that is forged, lost or doubled costs a
poll at most; polling goes on as it would without any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from standardwebhooks import Webhook, WebhookVerificationError

from batchline_shared.accounts import ModelName
from batchline_shared.errors import ConfigurationError, InvalidInputError, InvalidWebhookError
from batchline_shared.hints import HINT_SECRETS
from batchline_shared.ledger import BatchIndex, Stage
from batchline_shared.signing import secrets_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchline.connection import Connection
    from batchline_shared.settings import Settings

__all__ = ["take_hint"]


def take_hint(connection: Connection, route: str, headers: Mapping[str, str], body: bytes | str) -> bool:
    """See `BatchClient.provider_webhook`."""
    variable = _secret_variable(connection.settings, route)
    event = _verified(secrets_of(variable), headers, body)
    batch_id = _batch_of(event)
    if batch_id is None:
        return False
    with connection.errors():
        index = BatchIndex(connection.redis)
        # Gemini's polls know a batch as `batches/…`; its own example of a webhook leaves that out.
        names = [batch_id, f"batches/{batch_id}"] if route.startswith("gemini") else [batch_id]
        shard = next((found for name in names if (found := index.shard_of(route, name))), None)
        if shard is None:
            return False
        connection.work.hasten_poll(shard)
        connection.nudge(Stage.POLL)
    return True


def _secret_variable(settings: Settings, route: str) -> str:
    provider, _, name = route.partition("@")
    if provider not in HINT_SECRETS:
        raise InvalidInputError(f"{provider!r} sends no webhooks; use one of {', '.join(HINT_SECRETS)}")
    account = settings.account(ModelName(provider, name, ""))
    variable = account.webhook_secret_env or (None if name else HINT_SECRETS[provider])
    if variable is None:
        raise ConfigurationError(
            f"set BATCHLINE_ACCOUNTS__{name.upper()}__WEBHOOK_SECRET_ENV to the name of the variable "
            f"that holds the secret of {route}'s webhooks"
        )
    return variable


def _verified(secrets: list[Webhook], headers: Mapping[str, str], body: bytes | str) -> Any:
    """The message, once one of the secrets has signed it within the last five minutes."""
    reason = ""
    for secret in secrets:
        try:
            secret.verify(body, dict(headers), json_parse=False)
            return orjson.loads(body)
        except WebhookVerificationError as error:
            reason = str(error)
        except ValueError:
            reason = "it is malformed"
    raise InvalidWebhookError(f"the webhook is not genuine, or too old ({reason}); answer it with 400")


def _batch_of(event: Any) -> str | None:
    """The batch that an event is about; None for one about something else."""
    if not isinstance(event, dict) or not str(event.get("type", "")).startswith("batch."):
        return None
    data = event.get("data")
    batch_id = data.get("id") if isinstance(data, dict) else None
    return batch_id if isinstance(batch_id, str) and batch_id else None
