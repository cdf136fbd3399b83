"""`BatchProcessor`: Instructor's batch interface, on the queue."""

from __future__ import annotations

import io
import os
from typing import IO, TYPE_CHECKING, Any, Generic, TypeVar, overload

import orjson

from batchline.client import BatchClient
from batchline.files import BOM, enqueue_file, replaced_file, write_lines
from batchline.job import Job
from batchline_shared.dialects.registry import dialect, known_model
from batchline_shared.errors import InvalidInputError
from batchline_shared.ledger import JobStatus
from batchline_shared.outcome_reader import OutcomeReader, read_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pydantic import BaseModel

    from batchline.job_info import JobInfo
    from batchline_shared.outcomes import BatchResult

__all__ = ["BatchProcessor"]

M = TypeVar("M", bound="BaseModel")


class BatchProcessor(Generic[M]):
    """Builds batches for one model and response model, submits them and reads their results."""

    def __init__(
        self,
        model: str,
        response_model: type[M],
        *,
        redis_url: str | None = None,
        client: BatchClient | None = None,
    ) -> None:
        """Check the model's name; nothing is sent.

        Args:
            model: `provider/model-name`, such as "openai/gpt-4.1-mini".
            response_model: The Pydantic model of every answer.
            redis_url: The queue's Redis; None: `BATCHLINE_REDIS_URL`, else redis://localhost:6379/0.
            client: A client to share, instead of one of its own for `redis_url`.

        Raises:
            InvalidModelError: The model is not of that form, or its provider or account unknown.
        """
        self._named = known_model(model)
        self.model = model
        self.response_model = response_model
        self._client = client if client is not None else BatchClient(redis_url)

    @property
    def provider_name(self) -> str:
        """The part of `model` before the slash, without an account."""
        return self._named.provider

    @property
    def model_name(self) -> str:
        """The part of `model` after the slash."""
        return self._named.name

    @overload
    def create_batch_from_messages(
        self,
        messages_list: Iterable[list[dict[str, Any]]],
        file_path: None = None,
        max_tokens: int | None = 1000,
        temperature: float | None = 0.1,
    ) -> io.BytesIO: ...

    @overload
    def create_batch_from_messages(
        self,
        messages_list: Iterable[list[dict[str, Any]]],
        file_path: str | os.PathLike[str],
        max_tokens: int | None = 1000,
        temperature: float | None = 0.1,
    ) -> str: ...

    def create_batch_from_messages(
        self,
        messages_list: Iterable[list[dict[str, Any]]],
        file_path: str | os.PathLike[str] | None = None,
        max_tokens: int | None = 1000,
        temperature: float | None = 0.1,
    ) -> str | io.BytesIO:
        """Write a batch file from conversations; a file is replaced only once the new one is whole.

        Args:
            messages_list: The conversations; any iterable, streamed.
            file_path: Where to write; None: into memory.
            max_tokens: Most tokens to generate for each request.
            temperature: Sampling temperature.

        Returns:
            The path, or a buffer at its start, which the caller owns.

        Raises:
            SchemaError: The provider would refuse the response model.
            InvalidRequestError: A conversation is bad; names it.
            InvalidBatchFileError: The file cannot be written.
            InvalidInputError: There is no conversation.
        """
        account = self._client.connection.settings.account(self._named)
        speech = dialect(self.provider_name, account=account)
        template = speech.template(
            self.model_name, self.response_model, max_tokens=max_tokens, temperature=temperature, options={}
        )
        if file_path is None:
            buffer = io.BytesIO()
            write_lines(buffer, speech, template, messages_list)
            buffer.seek(0)
            return buffer
        path = os.fspath(file_path)
        with replaced_file(path) as target:
            write_lines(target, speech, template, messages_list)
        return path

    def submit_batch(
        self,
        file_path_or_buffer: str | Path | IO[bytes],
        metadata: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> str:
        """Put a batch file on the queue. When this returns, the job survives any crash.

        Args:
            file_path_or_buffer: A path, or a binary buffer, which is read from where it stands
                and left open.
            metadata: Kept with the job.
            kwargs: `idempotency_key` (the same key returns the same job) and
                `completion_window`, which can only be "24h".

        Returns:
            The job's id.

        Raises:
            InvalidBatchFileError: The file is missing, empty, not UTF-8, or has a bad line; names it.
            DuplicateCustomIdError: Two lines bear the same id.
            InvalidInputError: There is no such keyword.
            QueueUnavailableError, QueueFullError: Redis is down or full. Nothing was enqueued.
        """
        idempotency_key = _checked(**kwargs)
        return enqueue_file(
            self._client.connection,
            self.model,
            file_path_or_buffer,
            metadata=metadata,
            idempotency_key=idempotency_key,
        )

    def get_batch_status(self, batch_id: str) -> dict[str, Any]:
        """A job's status, as a dict that is JSON as it stands.

        `status` is one of `queued`, `submitting`, `in_progress`, `cancelling` while the
        job runs, and ends as `completed`, `failed` or `cancelled`. A job whose window
        ended before any answer is `failed` here, with `expired` true: polling loops that
        know no other end than those three must end.

        Raises:
            JobNotFoundError: There is no such job.
            QueueUnavailableError: Redis cannot be reached.
        """
        job = self._job(batch_id)
        info = job.info()
        expired = info.status is JobStatus.EXPIRED
        return {
            "id": info.id,
            "status": str(JobStatus.FAILED if expired else info.status),
            "expired": expired,
            "model": info.model,
            "created_at": int(info.created_at.timestamp()),
            "finished_at": int(info.finished_at.timestamp()) if info.finished_at else None,
            "request_counts": {"total": info.total, "completed": info.succeeded, "failed": info.errored},
            "errors": info.errors,
            "message": info.message,
            "metadata": info.metadata,
            "provider_batches": [
                {"id": batch.batch_id, "status": batch.provider_status} for batch in job.batches()
            ],
        }

    def retrieve_results(self, batch_id: str) -> list[BatchResult[M]]:
        """All outcomes of a finished job, in the order of its requests.

        Raises:
            JobNotReadyError: The job has not ended.
            JobNotFoundError: There is no such job.
            QueueUnavailableError: Redis cannot be reached.
        """
        return self._job(batch_id).results()

    def get_results(self, batch_id: str, file_path: str | Path | None = None) -> list[BatchResult[M]]:
        """As `retrieve_results`; with `file_path`, the provider's own lines are written there too."""
        results = self.retrieve_results(batch_id)
        if file_path is not None:
            with open(file_path, "wb") as target:  # noqa: PTH123 - the path is the user's string
                for result in results:
                    if result.raw is not None:
                        target.write(orjson.dumps(result.raw) + b"\n")
        return results

    def parse_results(self, results_content: str | bytes) -> list[BatchResult[M]]:
        """Type the lines of a provider's result file, an error file's included.

        Args:
            results_content: The file's text. For a large file, stream it through `iter_parse`.

        Returns:
            One outcome for each line, in their order.
        """
        content = results_content.encode() if isinstance(results_content, str) else results_content
        return list(self.iter_parse(io.BytesIO(content)))

    def iter_parse(self, lines: Iterable[bytes]) -> Iterator[BatchResult[M]]:
        """Type result lines as they stream in, in constant memory.

        Args:
            lines: An open binary file, or any iterable of lines.
        """
        reader = OutcomeReader(dialect(self.provider_name), self.response_model, structured=True)
        for number, line in enumerate(lines, start=1):
            text = line.removeprefix(BOM) if number == 1 else line
            if text and not text.isspace():
                yield read_line(reader, text, number)

    def list_batches(self, limit: int = 10) -> list[JobInfo]:
        """The newest jobs of this model.

        Raises:
            QueueUnavailableError: Redis cannot be reached.
        """
        return self._client.jobs(model=self.model, limit=limit)

    def cancel_batch(self, batch_id: str) -> dict[str, Any]:
        """Ask for a job to be stopped; returns its status as `get_batch_status` does."""
        self._job(batch_id).cancel()
        return self.get_batch_status(batch_id)

    def _job(self, job_id: str) -> Job[M]:
        if not isinstance(job_id, str) or not job_id:
            raise InvalidInputError("batch_id must be the id that submit_batch returned")
        return Job(self._client.connection, job_id, self.response_model)


def _checked(
    *, idempotency_key: str | None = None, completion_window: str = "24h", **unknown: Any
) -> str | None:
    """The idempotency key among `submit_batch`'s keywords; a misspelt one is refused, not ignored."""
    if unknown:
        raise InvalidInputError(
            f"submit_batch has no keyword {', '.join(unknown)}; "
            "it knows idempotency_key and completion_window"
        )
    if completion_window != "24h":
        raise InvalidInputError(f'completion_window can only be "24h", not {completion_window!r}')
    return idempotency_key
