"""One client of Anthropic's SDK, and the few steps that tests of the simulator take with it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import httpx2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anthropic import Anthropic
    from anthropic.types.messages import MessageBatch

__all__ = ["FORMAT", "MODEL", "SCHEMA", "AnthropicBench", "tool"]

MODEL = "claude-haiku-4-5"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "stars": {"type": "integer"}},
    "required": ["title", "stars"],
    "additionalProperties": False,
}
FORMAT = {"format": {"type": "json_schema", "schema": SCHEMA}}

Request = dict[str, Any]


def tool(name: str = "film", **more: Any) -> dict[str, Any]:
    """Write a tool whose input is `SCHEMA`."""
    return {"name": name, "description": "Takes a film.", "input_schema": SCHEMA} | more


class AnthropicBench:
    """The official SDK in front of one simulator."""

    def __init__(self, client: Anthropic) -> None:
        self.client = client

    @staticmethod
    def request(custom_id: str, text: str = "Name a film.", **params: Any) -> Request:
        """Write one request that asks for `SCHEMA` as output format."""
        defaults = {
            "model": MODEL,
            "max_tokens": 1024,
            "messages": [{"role": "user", "content": text}],
            "output_config": FORMAT,
        }
        merged = defaults | params
        return {
            "custom_id": custom_id,
            "params": {key: value for key, value in merged.items() if value is not None},
        }

    def create(self, requests: Sequence[Any]) -> MessageBatch:
        return self.client.messages.batches.create(requests=requests)

    def wait(self, batch: MessageBatch) -> MessageBatch:
        """Poll until the batch has ended."""
        deadline = time.monotonic() + 30
        while batch.processing_status != "ended":
            assert time.monotonic() < deadline, f"still {batch.processing_status}"
            time.sleep(0.01)
            batch = self.client.messages.batches.retrieve(batch.id)
        return batch

    def run(self, requests: Sequence[Any]) -> MessageBatch:
        return self.wait(self.create(requests))

    def content(self, batch: MessageBatch) -> httpx2.Response:
        """Download the results as they are sent, with the key in the other of its two headers."""
        host = str(self.client.base_url).rstrip("/")
        url = f"{host}/v1/messages/batches/{batch.id}/results"
        return httpx2.get(url, headers={"x-api-key": "key", "anthropic-version": "2023-06-01"})

    def results(self, batch: MessageBatch) -> dict[str, Any]:
        """Read the results with the SDK's decoder, as plain objects by custom id."""
        lines = self.client.messages.batches.results(batch.id)
        return {line.custom_id: line.result.to_dict() for line in lines}

    def result(self, **params: Any) -> dict[str, Any]:
        """Run one request and return its result."""
        (result,) = self.results(self.run([self.request("r", **params)])).values()
        return dict(result)

    def message(self, **params: Any) -> dict[str, Any]:
        """Run one request that succeeds and return the message."""
        result = self.result(**params)
        assert result["type"] == "succeeded", json.dumps(result)
        return dict(result["message"])

    def refusal(self, **params: Any) -> str:
        """Run one request that errs and return what the error says."""
        result = self.result(**params)
        assert result["type"] == "errored", json.dumps(result)
        return str(result["error"]["error"]["message"])
