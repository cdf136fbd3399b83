"""A real simulator process and the real SDK in front of it."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from anthropic import Anthropic
from openai import OpenAI
from openai.types import Batch

from anthropic_bench import AnthropicBench
from batchline_simulator import SimulatorConfig, SimulatorProcess, running_simulator

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
EMBEDDINGS = "/v1/embeddings"
SCHEMA = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "stars": {"type": "integer", "minimum": 1, "maximum": 5}},
    "required": ["title", "stars"],
    "additionalProperties": False,
}
TERMINAL = ("completed", "failed", "expired", "cancelled")

Row = dict[str, Any]


class Bench:
    """One SDK client, and the few steps that every test takes with it."""

    def __init__(self, client: OpenAI) -> None:
        self.client = client

    @staticmethod
    def row(custom_id: str, text: str = "Name a film.", **body: Any) -> Row:
        """Write one input line that asks for `SCHEMA` in strict mode."""
        wanted = {"name": "Film", "schema": SCHEMA, "strict": True}
        defaults = {
            "model": "gpt-4o-mini",
            "messages": [{"role": "user", "content": text}],
            "response_format": {"type": "json_schema", "json_schema": wanted},
        }
        return {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": defaults | body}

    @staticmethod
    def response_row(custom_id: str, given: Any = "Name a film.", /, **body: Any) -> Row:
        """Write one input line for `/v1/responses` that asks for `SCHEMA` in strict mode."""
        wanted = {"type": "json_schema", "name": "Film", "schema": SCHEMA, "strict": True}
        defaults = {"model": "gpt-4o-mini", "input": given, "text": {"format": wanted}}
        return {"custom_id": custom_id, "method": "POST", "url": RESPONSES, "body": defaults | body}

    @staticmethod
    def embedding_row(custom_id: str, given: Any = "A film.", /, **body: Any) -> Row:
        """Write one input line for `/v1/embeddings`."""
        defaults = {"model": "text-embedding-3-small", "input": given}
        return {"custom_id": custom_id, "method": "POST", "url": EMBEDDINGS, "body": defaults | body}

    def upload(self, rows: Sequence[Row], name: str = "input.jsonl") -> str:
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
        return self.client.files.create(file=(name, content, "application/jsonl"), purpose="batch").id

    def create(self, rows: Sequence[Row], **metadata: str) -> Batch:
        """Make a batch on the endpoint that the first row names."""
        return self.create_from(self.upload(rows), rows[0].get("url", CHAT), **metadata)

    def create_from(self, file_id: str, endpoint: Any = CHAT, **metadata: str) -> Batch:
        return self.client.batches.create(
            input_file_id=file_id, endpoint=endpoint, completion_window="24h", metadata=metadata
        )

    def wait(self, batch: Batch, *statuses: str) -> Batch:
        """Poll until the batch has one of the statuses, by default a final one."""
        deadline = time.monotonic() + 30
        while batch.status not in (statuses or TERMINAL):
            assert time.monotonic() < deadline, f"still {batch.status}"
            time.sleep(0.01)
            batch = self.client.batches.retrieve(batch.id)
        return batch

    def run(self, rows: Sequence[Row]) -> Batch:
        return self.wait(self.create(rows))

    def lines(self, file_id: str | None) -> list[Row]:
        """Download a file of lines; an absent file has none."""
        if not file_id:
            return []
        return [json.loads(line) for line in self.client.files.content(file_id).content.split(b"\n") if line]


@pytest.fixture(scope="session")
def shared_simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    config = SimulatorConfig(
        data_dir=tmp_path_factory.mktemp("simulator"), speed=0, token_limit={"limited": 100}
    )
    with running_simulator(config) as simulator:
        yield simulator


@pytest.fixture
def simulator(shared_simulator: SimulatorProcess) -> SimulatorProcess:
    shared_simulator.set_faults()
    return shared_simulator


@pytest.fixture
def open_bench() -> Iterator[Callable[..., Bench]]:
    """Make benches on any simulator, with any client options."""
    clients: list[OpenAI] = []

    def bench(simulator: SimulatorProcess, **options: Any) -> Bench:
        given = {"api_key": "key", "max_retries": 0} | options
        clients.append(OpenAI(base_url=simulator.base_url, **given))
        return Bench(clients[-1])

    yield bench
    for client in clients:
        client.close()


@pytest.fixture(scope="session")
def shared_client(shared_simulator: SimulatorProcess) -> Iterator[OpenAI]:
    """One client for most tests: making one takes longer than a whole batch."""
    with OpenAI(base_url=shared_simulator.base_url, api_key="key", max_retries=0) as client:
        yield client


@pytest.fixture
def bench(simulator: SimulatorProcess, shared_client: OpenAI) -> Bench:
    del simulator  # only for its faults, which it clears
    return Bench(shared_client)


@pytest.fixture
def open_claude() -> Iterator[Callable[..., AnthropicBench]]:
    """Make benches of Anthropic's SDK on any simulator, with any client options."""
    clients: list[Anthropic] = []

    def bench(simulator: SimulatorProcess, **options: Any) -> AnthropicBench:
        given = {"api_key": "key", "max_retries": 0} | options
        clients.append(Anthropic(base_url=simulator.url, **given))
        return AnthropicBench(clients[-1])

    yield bench
    for client in clients:
        client.close()


@pytest.fixture(scope="session")
def shared_claude(shared_simulator: SimulatorProcess) -> Iterator[Anthropic]:
    with Anthropic(base_url=shared_simulator.url, api_key="key", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(simulator: SimulatorProcess, shared_claude: Anthropic) -> AnthropicBench:
    del simulator  # only for its faults, which it clears
    return AnthropicBench(shared_claude)
