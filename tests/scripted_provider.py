"""A provider in memory that keeps count of what it was asked, and fails when it is told to."""

from __future__ import annotations

import itertools
import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from batchline_shared.errors import ProviderRejectedError, ProviderUnavailableError
from batchline_worker.providers.base import BatchPhase, LineError, RemoteBatch, SendAgain

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from batchline_worker.providers.base import LiveCall, Search, Submission

__all__ = ["Fault", "ScriptedProvider", "answer_line", "error_line", "lost_reply"]


@dataclass
class Fault:
    """What one call does instead of working; `done` first: it takes effect, and then fails."""

    error: BaseException | None = None
    done: bool = False
    meanwhile: Callable[[], object] | None = None
    """Runs before the call takes effect: what others do at that moment."""


def answer_line(custom_id: str, text: str = "ok") -> bytes:
    message = {"role": "assistant", "content": text}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-4o-mini",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
    response = {"status_code": 200, "request_id": "r", "body": body}
    return orjson.dumps({"id": "batch_req_1", "custom_id": custom_id, "response": response, "error": None})


def error_line(custom_id: str, status: int = 500) -> bytes:
    body = {"error": {"message": "it failed", "type": "server_error", "code": None}}
    response = {"status_code": status, "request_id": "r", "body": body}
    return orjson.dumps({"id": "batch_req_1", "custom_id": custom_id, "response": response, "error": None})


@dataclass
class ScriptedProvider:
    """Implements `providers.base.Provider`. Batches run until a test ends them."""

    name: str = "openai"
    id_field: str = "custom_id"
    """The field of a request that bears its id; see `Dialect`."""
    takes_files: bool = True
    marks_batches: bool = True
    calls: Counter[str] = field(default_factory=Counter)
    files: dict[str, bytes] = field(default_factory=dict)
    inputs: dict[str, bytes] = field(default_factory=dict)
    """Batch id → the requests that it runs."""
    batches: dict[str, RemoteBatch] = field(default_factory=dict)
    results: dict[str, list[bytes]] = field(default_factory=dict)
    faults: defaultdict[str, deque[Fault | None]] = field(default_factory=lambda: defaultdict(deque))
    unlisted: set[str] = field(default_factory=set)
    """Batches that `find` does not show, as if the list lagged behind."""
    answer: Callable[[str], bytes | None] = answer_line
    """Makes the result line of a request from its id on the wire; None leaves it out."""

    live_answer: Callable[[str], bytes] = answer_line
    """Makes the result line of a live call from the id in its line."""
    asked: list[str] = field(default_factory=list)
    """What each live call that took effect has asked."""

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)

    def fail(self, call: str, error: BaseException, *, done: bool = False, times: int = 1) -> None:
        """Let the next `times` calls fail; `done`: after they took effect."""
        self.faults[call].extend([Fault(error, done)] * times)

    def meanwhile(self, call: str, action: Callable[[], object]) -> None:
        """Let something happen at the next call, before it takes effect."""
        self.faults[call].append(Fault(meanwhile=action))

    def upload(self, buffer: BinaryIO, *, name: str) -> str:
        def act() -> str:
            file_id = f"file-{next(self._numbers)}"
            buffer.seek(0)
            self.files[file_id] = buffer.read()
            assert name.startswith("bl-")
            return file_id

        return self._call("upload", act)

    def create(self, submission: Submission) -> RemoteBatch:
        def act() -> RemoteBatch:
            assert submission.endpoint.startswith("/")
            assert submission.job_id
            batch_id = f"batch_{next(self._numbers)}"
            if submission.buffer is not None:
                self.inputs[batch_id] = submission.buffer.read()
            else:
                self.inputs[batch_id] = self.files[submission.file_id]
            assert self.inputs[batch_id].count(b"\n") == submission.requests
            batch = RemoteBatch(
                batch_id,
                "validating",
                BatchPhase.VALIDATING,
                total=submission.requests,
                created_at_s=time.time(),
                input_file_id=submission.file_id or None,
                shard_id=submission.shard_id if self.marks_batches else None,
                ledger_id=submission.ledger_id if self.marks_batches else None,
            )
            self.batches[batch.id] = batch
            return batch

        return self._call("create", act)

    def find(self, search: Search) -> list[RemoteBatch]:
        def act() -> list[RemoteBatch]:
            assert 0 < search.since_s < search.until_s
            listed = [batch for batch in self.batches.values() if batch.id not in self.unlisted]
            if not self.marks_batches:
                return [batch for batch in listed if batch.total == search.requests]
            return [
                batch
                for batch in listed
                if batch.shard_id == search.shard_id
                or (search.file_id and batch.input_file_id == search.file_id)
            ]

        return self._call("find", act)

    def listed(self, since_s: float) -> Iterator[list[RemoteBatch]]:
        def act() -> list[RemoteBatch]:
            assert 0 < since_s < time.time()
            return [batch for batch in self.batches.values() if batch.id not in self.unlisted]

        found = self._call("listed", act)
        for at in range(0, len(found), 2):
            yield found[at : at + 2]

    def poll(self, batch_id: str) -> RemoteBatch:
        return self._call("poll", lambda: self._known(batch_id))

    def poll_many(self, batch_ids: Collection[str]) -> dict[str, RemoteBatch]:
        def act() -> dict[str, RemoteBatch]:
            return {name: self.batches[name] for name in batch_ids if name in self.batches}

        return self._call("poll_many", act)

    def cancel(self, batch_id: str) -> RemoteBatch:
        def act() -> RemoteBatch:
            batch = self._known(batch_id)
            if not batch.phase.is_final:
                batch = self.batches[batch_id] = replace(
                    batch, phase=BatchPhase.CANCELLING, status="cancelling"
                )
            return batch

        return self._call("cancel", act)

    def lines(self, batch: RemoteBatch) -> Iterator[bytes]:
        self.calls["lines"] += 1
        fault = self.faults["lines"].popleft() if self.faults["lines"] else None
        lines = self.results.get(batch.id, [])
        if fault is not None and fault.error is not None:
            yield from lines[: len(lines) // 2]
            raise fault.error
        yield from lines

    def ask(self, call: LiveCall) -> bytes:
        def act() -> bytes:
            wire_id = orjson.loads(call.line)[self.id_field]
            self.asked.append(orjson.loads(call.line)["body"]["messages"][0]["content"])
            return self.live_answer(wire_id)

        return self._call("ask", act)

    def requests(self, batch: RemoteBatch) -> Iterator[bytes]:
        self.calls["requests"] += 1
        fault = self.faults["requests"].popleft() if self.faults["requests"] else None
        lines = self.inputs.get(batch.id, b"").splitlines()
        if fault is not None and fault.error is not None:
            yield from lines[: len(lines) // 2]
            raise fault.error
        yield from lines

    def clean_up(self, *, file_id: str, batch_id: str) -> None:
        def act() -> None:
            self.files.pop(file_id, None)
            self.results.pop(batch_id, None)

        self._call("clean_up", act)

    # --- what the test decides ---------------------------------------------------------------

    def end(self, batch_id: str, phase: BatchPhase = BatchPhase.COMPLETED, **fields: Any) -> None:
        """Let a batch end, with a result line for each request that `answer` answers."""
        batch = self.batches[batch_id]
        if phase is not BatchPhase.FAILED:
            wire_ids = self.wire_ids(batch_id)
            self.results[batch_id] = [line for one in wire_ids if (line := self.answer(one)) is not None]
        done = len(self.results.get(batch_id, []))
        known: dict[str, Any] = {"completed": done, "status": str(phase), "result_files": ("out",)}
        self.batches[batch_id] = replace(batch, phase=phase, **{**known, **fields})

    def end_all(self) -> None:
        """Let every batch that runs end as it would."""
        for batch in list(self.batches.values()):
            if batch.phase is BatchPhase.CANCELLING:
                self.end(batch.id, BatchPhase.CANCELLED)
            elif not batch.phase.is_final:
                self.end(batch.id)

    def refuse(self, batch_id: str, *errors: LineError, tokens: int | None = None) -> None:
        """Let a batch fail as a whole."""
        again = None
        if tokens is not None or any(error.code == "token_limit_exceeded" for error in errors):
            again = SendAgain.NO_ROOM
        elif any(error.param == "file_id" for error in errors):
            again = SendAgain.FILE_UNFOUND
        known = {"errors": errors, "send_again": again, "enqueued_limit_tokens": tokens}
        self.end(batch_id, BatchPhase.FAILED, result_files=(), **known)

    def wire_ids(self, batch_id: str) -> Sequence[str]:
        return [orjson.loads(line)[self.id_field] for line in self.inputs[batch_id].splitlines()]

    def running(self) -> list[str]:
        return [batch.id for batch in self.batches.values() if not batch.phase.is_final]

    def _known(self, batch_id: str) -> RemoteBatch:
        if batch_id not in self.batches:
            raise ProviderRejectedError("openai", f"no batch {batch_id}", status_code=404)
        return self.batches[batch_id]

    def _call(self, name: str, act: Callable[[], Any]) -> Any:
        self.calls[name] += 1
        fault = self.faults[name].popleft() if self.faults[name] else None
        if fault is None:
            return act()
        if fault.meanwhile is not None:
            fault.meanwhile()
            return act()
        if fault.done:
            act()
        assert fault.error is not None
        raise fault.error


def lost_reply() -> ProviderUnavailableError:
    """What a transport raises when it cannot tell whether the call took effect."""
    return ProviderUnavailableError("openai", "connection reset")
