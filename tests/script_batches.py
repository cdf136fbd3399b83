"""Batches as a script of somebody's makes them: with each provider's own SDK, and names of its own."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import orjson
from anthropic import Anthropic
from google import genai
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.genai import types
from google.oauth2 import service_account
from openai import OpenAI

from batchline_ops.simulated import SIMULATED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchline_simulator import SimulatorProcess

__all__ = ["ScriptBatches"]

BUCKET = "simulated-bucket"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "words": {"type": "integer"}},
    "required": ["title", "words"],
    "additionalProperties": False,
}
GOOGLE_SCHEMA = {name: value for name, value in SCHEMA.items() if name != "additionalProperties"}


class ScriptBatches:
    """A script in front of the simulator. Every answer is JSON of `SCHEMA`."""

    def __init__(self, simulator: SimulatorProcess) -> None:
        self._simulator = simulator
        self._made = 0

    def make(self, provider: str, names: Sequence[str], prompts: Sequence[str] = ()) -> str:
        """Make a batch with a request of each name; returns the provider's id."""
        self._made += 1
        asked = list(prompts) or [f"Passage {at}" for at in range(len(names))]
        requests = list(zip(names, asked, strict=True))
        model = SIMULATED[provider].model.partition("/")[2]
        made: str = getattr(self, f"_{provider}")(model, requests)
        return made

    def _openai(self, model: str, requests: list[tuple[str, str]]) -> str:
        form = {"type": "json_schema", "json_schema": {"name": "topic", "strict": True, "schema": SCHEMA}}
        lines = [
            {
                "custom_id": name,
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {
                    "model": model,
                    "messages": [{"role": "user", "content": text}],
                    "response_format": form,
                },
            }
            for name, text in requests
        ]
        with OpenAI(api_key="sk-script", base_url=self._simulator.base_url) as sdk:
            file = sdk.files.create(file=("mine.jsonl", _jsonl(lines)), purpose="batch")
            batch = sdk.batches.create(
                input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
            )
        return batch.id

    def _anthropic(self, model: str, requests: list[tuple[str, str]]) -> str:
        # By a tool's call, as Instructor asks for JSON.
        asked: Any = [
            {
                "custom_id": name,
                "params": {
                    "model": model,
                    "max_tokens": 500,
                    "messages": [{"role": "user", "content": text}],
                    "tools": [{"name": "topic", "description": "Takes it.", "input_schema": SCHEMA}],
                    "tool_choice": {"type": "tool", "name": "topic"},
                },
            }
            for name, text in requests
        ]
        with Anthropic(api_key="sk-script", base_url=self._simulator.url) as sdk:
            return sdk.messages.batches.create(requests=asked).id

    def _google(self, model: str, requests: list[tuple[str, str]]) -> str:
        lines = [{"key": name, "request": _generate(text)} for name, text in requests]
        place = f"gs://{BUCKET}/script-{self._made}"
        with storage.Client(
            project="simulated-project",
            credentials=AnonymousCredentials(),
            client_options={"api_endpoint": self._simulator.url},
        ) as sdk:
            blob = sdk.bucket(BUCKET).blob(f"script-{self._made}/in.jsonl")
            blob.upload_from_file(_jsonl(lines), content_type="application/jsonl")
        http = types.HttpOptions(base_url=self._simulator.url)
        client = genai.Client(
            vertexai=True,
            project="simulated-project",
            location="us-central1",
            credentials=self._account(),
            http_options=http,
        )
        try:
            job = client.batches.create(model=model, src=f"{place}/in.jsonl", config={"dest": f"{place}/out"})
        finally:
            client.close()
        return str(job.name)

    def _account(self) -> Any:
        file: Any = self._simulator.config.service_account_file
        scopes = ["https://www.googleapis.com/auth/cloud-platform"]
        return service_account.Credentials.from_service_account_file(file, scopes=scopes)

    def _gemini(self, model: str, requests: list[tuple[str, str]]) -> str:
        lines = [{"key": name, "request": _generate(text)} for name, text in requests]
        http = types.HttpOptions(base_url=self._simulator.gemini_url)
        client = genai.Client(api_key="script", http_options=http)
        try:
            file = client.files.upload(file=_jsonl(lines), config={"mime_type": "application/jsonl"})
            job = client.batches.create(model=model, src=str(file.name))
        finally:
            client.close()
        return str(job.name)


def _generate(text: str) -> dict[str, Any]:
    return {
        "contents": [{"role": "user", "parts": [{"text": text}]}],
        "generationConfig": {"responseMimeType": "application/json", "responseSchema": GOOGLE_SCHEMA},
    }


def _jsonl(lines: list[dict[str, Any]]) -> io.BytesIO:
    return io.BytesIO(b"".join(orjson.dumps(line) + b"\n" for line in lines))
