"""A provider's transport beside the server that it talks to, for the contract suites.

A new provider adds one line to `WIRINGS`; every suite then runs for it too. Requests are written and
results are read by the provider's own dialect, so that a wiring says only what cannot be known from it:
how the transport is made, what its calls are named at the simulator, and which row faults mean what.
"""

from __future__ import annotations

import io
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from batchline_shared.accounts import Account
from batchline_shared.dialects.registry import dialect
from batchline_shared.outcomes import ErrorType
from batchline_simulator import SimulatorConfig, SimulatorProcess, running_simulator
from batchline_worker.providers.anthropic import PAGE_SIZE as ANTHROPIC_PAGE
from batchline_worker.providers.anthropic import AnthropicProvider
from batchline_worker.providers.base import Search, Submission
from batchline_worker.providers.gemini import GeminiProvider
from batchline_worker.providers.google import GoogleProvider
from batchline_worker.providers.openai import OpenAIProvider
from sdk_connections import hang_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from batchline_shared.dialects.base import Dialect
    from batchline_worker.providers.base import Provider, RemoteBatch

LIMIT_TOKENS = 7
"""Enqueued tokens that the server allows the model named `limited`."""

KEY_VARIABLE = "BATCHLINE_CONTRACT_KEY"
"""Environment variable with a key that the server takes."""

BUCKET = "contract-bucket"
"""Cloud Storage bucket of the server, in the region where jobs run."""

HASTY_S = 0.3
"""Create timeout of a bench's `hasty` provider."""


@dataclass(frozen=True)
class Wiring:
    """What a suite has to be told of one provider."""

    make: Callable[[SimulatorProcess, float], Provider]
    """Makes the transport for a server and a create timeout in seconds; it must not wait between retries."""
    calls: Mapping[str, str]
    """What the simulator calls `upload` (where there are files), `create`, `retrieve`, `list`, `cancel`,
    `results` (the reading of result lines) and `delete` (the first deletion of a clean-up)."""
    model: str
    rows: Mapping[str, ErrorType | None]
    """Faults of a row that the provider's endpoint knows, and the outcome that each must get."""
    page: int
    """Batches on one page of its list, as the transport asks for them."""
    batch_faults: frozenset[str] = frozenset()
    """Faults of a whole batch that only some providers know."""
    result_files: int = 1
    """Places with result lines that a batch with good and bad rows has."""
    polls_in_pages: bool = True
    """Whether several batches are looked at in fewer calls than one each."""
    lists_whole_seconds: bool = False
    """Whether its times count whole seconds, so that two batches may seem to be created together."""
    running: str = "in_progress"
    """What it calls a batch that runs."""
    tells_no_credit: bool = True
    """Whether an account without credit is refused in other words than a busy one."""
    expired: tuple[ErrorType | None, ...] = (None, None, ErrorType.EXPIRED, ErrorType.EXPIRED)
    """What the results say of four requests, of which two were not run in time."""
    forms: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    """Further models and options with which answers in JSON are asked for in another form."""
    close: Callable[[Any], None] = field(default=hang_up)
    """Gives the connections of a transport back."""


@dataclass
class Bench:
    """One provider, the server that it talks to, and how its requests look on the wire."""

    name: str
    wiring: Wiring
    provider: Provider
    hasty: Provider
    """The same with a create timeout of `HASTY_S`."""
    server: SimulatorProcess
    speech: Dialect
    sizes: Iterator[int] = field(default_factory=lambda: count(60))

    def unlike_others(self) -> list[str]:
        """Prompts, as many as no other batch of this server has requests, so that their number finds them."""
        return [f"prompt {at}" for at in range(next(self.sizes))]

    def buffer(self, *prompts: str, model: str = "") -> io.BytesIO:
        """Write the requests `row-0`, `row-1`, … as the provider's JSONL."""
        body = self.speech.template(
            model or self.wiring.model, None, max_tokens=100, temperature=None, options={}
        )
        encode = self.speech.encoder(body)
        head, middle, tail = self.speech.line_ends(orjson.dumps(body))
        written = io.BytesIO()
        for at, prompt in enumerate(prompts or ("hi",)):
            row = encode([{"role": "user", "content": prompt}], at)
            written.write(b"".join([head, f"row-{at}".encode(), middle, row, tail]))
        return written

    def submission(self, *prompts: str, shard: str = "s", model: str = "") -> Submission:
        """Prepare a creation: upload the requests, or hold them where the creation sends them."""
        return self.sending(self.buffer(*prompts, model=model), shard, model, len(prompts or ("hi",)))

    def sending(self, buffer: io.BytesIO, shard: str, model: str, requests: int) -> Submission:
        """Prepare the creation of a batch with these lines."""
        takes_files = self.provider.takes_files
        return Submission(
            shard_id=shard,
            job_id="job",
            endpoint=self.speech.endpoint,
            model=model or self.wiring.model,
            requests=requests,
            file_id=self.provider.upload(buffer, name=f"bl-{time.monotonic_ns()}-0") if takes_files else "",
            buffer=None if takes_files else buffer,
        )

    def answered(self, body: dict[str, Any], row: bytes) -> dict[str, Any]:
        """Run one request, given as the worker is given it, and return its result line."""
        head, middle, tail = self.speech.line_ends(orjson.dumps(body))
        is_object = row.startswith(b"{")
        line = self.speech.object_line("a", body, row) if is_object else head + b"a" + middle + row + tail
        batch = self.provider.create(self.sending(io.BytesIO(line), "s", "", 1))
        (result,) = self.provider.lines(self.ended(batch.id))
        parsed = orjson.loads(result)
        assert isinstance(parsed, dict)
        return parsed

    def create(self, *prompts: str, shard: str = "s", model: str = "") -> RemoteBatch:
        return self.provider.create(self.submission(*prompts, shard=shard, model=model))

    def find(self, sent: Submission, *, since_s: float = 0.0) -> list[RemoteBatch]:
        """Look for what a creation may have made."""
        return self.provider.find(
            Search(
                shard_id=sent.shard_id,
                file_id=sent.file_id,
                requests=sent.requests,
                since_s=since_s,
                until_s=time.time() + 300,
            )
        )

    def finish(self, *prompts: str, model: str = "") -> RemoteBatch:
        return self.ended(self.create(*prompts, model=model).id)

    def ended(self, batch_id: str) -> RemoteBatch:
        deadline = time.monotonic() + 20
        while not (batch := self.provider.poll(batch_id)).phase.is_final:
            assert time.monotonic() < deadline, batch
            time.sleep(0.02)
        return batch

    def arm(self, call: str, kind: str, **more: Any) -> None:
        """Add a fault; `call` is one of `Wiring.calls`."""
        self.server.arm({"call": self.wiring.calls[call], "kind": kind, **more})

    def count(self, call: str) -> int:
        """Calls so far; `call` is one of `Wiring.calls`."""
        return len(self.server.calls(self.wiring.calls[call]))

    def accepted(self) -> int:
        """Batches that the server has made, whatever it said of them."""
        return len(self.server.batches())

    def verdict(self, line: bytes) -> ErrorType | None:
        return self.speech.classify(orjson.loads(line), structured=False).error_type

    def ids(self, lines: Iterable[bytes]) -> list[str]:
        return sorted(orjson.loads(line)[self.speech.id_field] for line in lines)

    def needs(self, *, files: bool = False, marks: bool = False, batch_fault: str = "") -> None:
        """Skip a test of what this provider does not have."""
        if files and not self.provider.takes_files:
            pytest.skip(f"{self.name} takes no files")
        if marks and not self.provider.marks_batches:
            pytest.skip(f"{self.name} keeps no marks")
        if batch_fault and batch_fault not in self.wiring.batch_faults:
            pytest.skip(f"{self.name} has no such failure")


def _openai(server: SimulatorProcess, create_timeout_s: float) -> Provider:
    return OpenAIProvider(
        api_key_env=KEY_VARIABLE,
        base_url=server.base_url,
        retry_waits_s=(0.0, 0.0),
        create_timeout_s=create_timeout_s,
    )


def _anthropic(server: SimulatorProcess, create_timeout_s: float) -> Provider:
    return AnthropicProvider(
        api_key_env=KEY_VARIABLE,
        base_url=server.url,
        retry_waits_s=(0.0, 0.0),
        create_timeout_s=create_timeout_s,
    )


def _google(server: SimulatorProcess, create_timeout_s: float) -> Provider:
    account = Account(provider="google", base_url=server.url, project="contract", bucket=BUCKET)
    return GoogleProvider(
        "google",
        account,
        retry_waits_s=(0.0, 0.0),
        create_timeout_s=create_timeout_s,
    )


def _gemini(server: SimulatorProcess, create_timeout_s: float) -> Provider:
    return GeminiProvider(
        api_key_env=KEY_VARIABLE,
        base_url=server.gemini_url,
        retry_waits_s=(0.0, 0.0),
        create_timeout_s=create_timeout_s,
    )


_GOOGLE_ROWS: Mapping[str, ErrorType | None] = {
    "bad_request": ErrorType.INVALID_REQUEST,
    "rate_limit": ErrorType.RATE_LIMITED,
    "insufficient_quota": ErrorType.RATE_LIMITED,
    "server_error": ErrorType.PROVIDER_ERROR,
    "length": ErrorType.TRUNCATED,
    "content_filter": ErrorType.CONTENT_FILTERED,
    "line_separator": None,
}


WIRINGS: Mapping[str, Wiring] = {
    "openai": Wiring(
        make=_openai,
        calls={
            "upload": "files.create",
            "create": "batches.create",
            "retrieve": "batches.retrieve",
            "list": "batches.list",
            "cancel": "batches.cancel",
            "results": "files.content",
            "delete": "files.delete",
        },
        model="gpt-4o-mini",
        rows={
            "bad_request": ErrorType.INVALID_REQUEST,
            "rate_limit": ErrorType.RATE_LIMITED,
            "insufficient_quota": ErrorType.QUOTA_EXHAUSTED,
            "server_error": ErrorType.PROVIDER_ERROR,
            "status_zero": ErrorType.PROVIDER_ERROR,
            "refusal": ErrorType.REFUSED,
            "length": ErrorType.TRUNCATED,
            "content_filter": ErrorType.CONTENT_FILTERED,
            "line_separator": None,
        },
        page=100,
        forms=(("gpt-5-mini", {"reasoning_effort": "low"}),),
        batch_faults=frozenset({"cannot_find_file", "empty_error_file", "all_failed", "token_limit"}),
        result_files=2,
        lists_whole_seconds=True,
    ),
    "anthropic": Wiring(
        make=_anthropic,
        calls={
            call: f"anthropic.batches.{call}"
            for call in ("create", "retrieve", "list", "cancel", "results", "delete")
        },
        model="claude-sonnet-4-5",
        rows={
            "bad_request": ErrorType.INVALID_REQUEST,
            "rate_limit": ErrorType.RATE_LIMITED,
            "insufficient_quota": ErrorType.QUOTA_EXHAUSTED,
            "server_error": ErrorType.PROVIDER_ERROR,
            "overloaded": ErrorType.PROVIDER_ERROR,
            "flat_error": ErrorType.PROVIDER_ERROR,
            "expired_row": ErrorType.EXPIRED,
            "canceled_row": ErrorType.CANCELLED,
            "unknown_result": ErrorType.UNKNOWN,
            "refusal": ErrorType.REFUSED,
            "length": ErrorType.TRUNCATED,
            "line_separator": None,
        },
        page=ANTHROPIC_PAGE,
        forms=(
            ("claude-3-5-haiku-20241022", {}),
            ("claude-opus-5-5", {}),
            ("claude-sonnet-4-6", {"thinking": {"type": "adaptive"}}),
            ("claude-3-7-sonnet-20250219", {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        ),
    ),
    "google": Wiring(
        make=_google,
        calls={
            "upload": "gcs.objects.create",
            "results": "gcs.objects.content",
            "delete": "gcs.objects.delete",
            **{call: f"vertex.batches.{call}" for call in ("create", "retrieve", "list", "cancel")},
        },
        model="gemini-2.5-flash",
        rows=_GOOGLE_ROWS,
        page=100,
        running="JOB_STATE_RUNNING",
        tells_no_credit=False,
        expired=(None, None),
    ),
    "gemini": Wiring(
        make=_gemini,
        calls={
            "upload": "gemini.files.create",
            "results": "gemini.files.content",
            "delete": "gemini.batches.delete",
            **{call: f"gemini.batches.{call}" for call in ("create", "retrieve", "list", "cancel")},
        },
        model="gemini-2.5-flash",
        rows=_GOOGLE_ROWS,
        page=100,
        running="BATCH_STATE_RUNNING",
        expired=(),
    ),
}
"""Provider → how the suites reach it."""


@contextmanager
def started(name: str, folder: Path) -> Iterator[Bench]:
    """Run a server for one provider; its batches end at once."""
    config = SimulatorConfig(
        data_dir=folder, speed=0, token_limit={"limited": LIMIT_TOKENS}, buckets={BUCKET: "us-central1"}
    )
    wiring = WIRINGS[name]
    with pytest.MonkeyPatch.context() as patch, running_simulator(config) as server:
        patch.setenv(KEY_VARIABLE, "sk-contract")
        key_file = server.write_service_account(folder / "service_account.json")
        patch.setenv("STORAGE_EMULATOR_HOST", server.url)
        patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key_file))
        both = wiring.make(server, 60.0), wiring.make(server, HASTY_S)
        try:
            yield Bench(name, wiring, *both, server=server, speech=dialect(name))
        finally:
            for provider in both:
                wiring.close(provider)
