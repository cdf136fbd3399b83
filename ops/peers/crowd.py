"""Another batch of the same account, which holds nearly all of its enqueued tokens for a while."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final

from openai import OpenAI

from peers.questions import MODEL

if TYPE_CHECKING:
    from batchline_simulator import SimulatorProcess

__all__ = ["Crowd", "token_limit"]

_TOKENS_PER_ROW: Final = 60
"""More than twice of what a row's prompt has, whatever a tool wraps it in."""
_LEFT_TOKENS: Final = 50
_CHARACTERS_PER_TOKEN: Final = 4
_URL: Final = "/v1/chat/completions"


def token_limit(rows: int) -> dict[str, int]:
    """A limit of enqueued tokens under which the job has room, once it is alone."""
    return {MODEL: _TOKENS_PER_ROW * rows}


class Crowd:
    """The other batch. It runs until it is told to go."""

    def __init__(self, simulator: SimulatorProcess, rows: int) -> None:
        simulator.arm({"call": "batches.create", "kind": "stuck", "value": "in_progress"})
        self._client = OpenAI(base_url=simulator.base_url, api_key="simulated", max_retries=0)
        text = "x" * _CHARACTERS_PER_TOKEN * (token_limit(rows)[MODEL] - _LEFT_TOKENS)
        body = {"model": MODEL, "messages": [{"role": "user", "content": text}]}
        line = json.dumps({"custom_id": "crowd", "method": "POST", "url": _URL, "body": body})
        file = self._client.files.create(file=("crowd.jsonl", line.encode()), purpose="batch")
        batch = self._client.batches.create(input_file_id=file.id, endpoint=_URL, completion_window="24h")
        self.batch_id = batch.id
        while batch.status == "validating":
            time.sleep(0.1)
            batch = self._client.batches.retrieve(batch.id)
        if batch.status != "in_progress":
            raise RuntimeError(f"the crowding batch is {batch.status}: {batch.errors}")

    def go(self) -> None:
        """Give the tokens back; when this returns they are free."""
        self._client.batches.cancel(self.batch_id)
        while self._client.batches.retrieve(self.batch_id).status != "cancelled":
            time.sleep(0.1)
        self._client.close()
