"""How an end is told: one sender for each kind of delivery."""

from batchline_worker.hooks.base import Attempt, Message, Sender
from batchline_worker.hooks.registry import make_senders

__all__ = ["Attempt", "Message", "Sender", "make_senders"]
