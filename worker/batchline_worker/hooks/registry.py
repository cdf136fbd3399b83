"""Which sender is whose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchline_shared.ledger import DeliveryKind
from batchline_worker.hooks.tasks import TaskSender
from batchline_worker.hooks.webhooks import WebhookSender

if TYPE_CHECKING:
    from batchline_shared.settings import Settings
    from batchline_worker.hooks.base import Sender

__all__ = ["make_senders"]


def make_senders(settings: Settings) -> dict[DeliveryKind, Sender]:
    """One for each kind of delivery; they connect when they are first used."""
    return {
        DeliveryKind.TASK: TaskSender(settings),
        DeliveryKind.WEBHOOK: WebhookSender(settings.webhooks, timeout_s=settings.webhook_timeout_s),
    }
