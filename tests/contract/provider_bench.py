"""A provider's transport beside the server that it talks to, for the contract suites.

A new provider adds one line to `BENCHES`; every suite then runs for it too.
"""

from __future__ import annotations

import io
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from batchline_shared.dialects.openai_results import classify
from batchline_simulator import SimulatorConfig, SimulatorProcess, running_simulator
from batchline_worker.providers.openai import OpenAIProvider
from sdk_connections import hang_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from batchline_shared.outcomes import ErrorType
    from batchline_worker.providers.base import Provider, RemoteBatch

LIMIT_TOKENS = 7
"""Enqueued tokens that the server allows the model named `limited`."""


@dataclass
class Bench:
    """One provider, the server that it talks to, and how its requests look on the wire."""

    provider: Provider
    hasty: Provider
    """The same with a create timeout of 0.3 s."""
    server: SimulatorProcess
    endpoint: str
    line: Callable[[str, str, str], bytes]
    """Builds the line of one request from custom id, prompt and model."""
    verdict: Callable[[Any], ErrorType | None]
    close: Callable[[], None]
    """Gives the connections of both back."""

    def upload(self, *prompts: str, model: str = "gpt-4o-mini") -> str:
        lines = [self.line(f"row-{at}", prompt, model) for at, prompt in enumerate(prompts or ("hi",))]
        return self.provider.upload(io.BytesIO(b"\n".join(lines) + b"\n"), name="shard")

    def create(self, *prompts: str, shard: str = "s", model: str = "gpt-4o-mini") -> RemoteBatch:
        file_id = self.upload(*prompts, model=model)
        return self.provider.create(file_id=file_id, endpoint=self.endpoint, shard_id=shard, metadata={})

    def finish(self, *prompts: str, model: str = "gpt-4o-mini") -> RemoteBatch:
        return self.ended(self.create(*prompts, model=model).id)

    def ended(self, batch_id: str) -> RemoteBatch:
        deadline = time.monotonic() + 20
        while not (batch := self.provider.poll(batch_id)).phase.is_final:
            assert time.monotonic() < deadline, batch
            time.sleep(0.02)
        return batch

    def count(self, call: str) -> int:
        return len(self.server.calls(call))

    def accepted(self, shard: str) -> int:
        return sum(
            (batch["metadata"] or {}).get("batchline_shard") == shard for batch in self.server.batches()
        )


def openai_line(custom_id: str, prompt: str, model: str) -> bytes:
    body = {"model": model, "messages": [{"role": "user", "content": prompt}]}
    return orjson.dumps(
        {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}
    )


def openai_bench(server: SimulatorProcess) -> Bench:
    def made(**options: float) -> OpenAIProvider:
        return OpenAIProvider(api_key="sk-x", base_url=server.base_url, retry_waits_s=(0.0, 0.0), **options)

    both = made(), made(create_timeout_s=0.3)

    def close() -> None:
        for provider in both:
            hang_up(provider)

    return Bench(
        *both,
        server=server,
        endpoint="/v1/chat/completions",
        line=openai_line,
        verdict=lambda line: classify(line, structured=False).error_type,
        close=close,
    )


BENCHES = {"openai": openai_bench}


@contextmanager
def started(name: str, folder: Path) -> Iterator[Bench]:
    """Run a server for one provider; its batches end at once."""
    config = SimulatorConfig(data_dir=folder, speed=0, token_limit={"limited": LIMIT_TOKENS})
    with running_simulator(config) as server:
        bench = BENCHES[name](server)
        try:
            yield bench
        finally:
            bench.close()
