"""The simulator's responder: it answers, and writes down each answer that it gave, which is what is billed.

A request that fails, or that its batch never ran, does not come here.
"""

from __future__ import annotations

import os
from typing import Any

from peers.questions import answer, number_in

__all__ = ["LEDGER", "reply"]

LEDGER = "PEERS_LEDGER"
"""Variable with the file that gets one line, the number, for each answer."""


def reply(body: dict[str, Any]) -> str:
    """Answer one request."""
    number = number_in(body)
    if number is None:
        return "Not one of ours."
    # One write to a file opened for appending: batches are answered in several threads.
    ledger = os.open(os.environ[LEDGER], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(ledger, f"{number}\n".encode())
    finally:
        os.close(ledger)
    return answer(number)
