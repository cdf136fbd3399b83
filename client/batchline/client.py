"""The queue, as application code sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, overload

from batchline.connection import Connection
from batchline.enqueue import EncodedRequest, JobPlan, enqueue_rows
from batchline.job import Job, job_info
from batchline.requests import BatchRequest, check_many
from batchline_shared.dialects.registry import dialect, known_model
from batchline_shared.errors import InvalidInputError, InvalidRequestError
from batchline_shared.ledger import JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic import BaseModel
    from redis import Redis

    from batchline.job import JobInfo
    from batchline_shared.dialects.base import Dialect
    from batchline_shared.settings import Settings

__all__ = ["BatchClient"]

M = TypeVar("M", bound="BaseModel")


class BatchClient:
    """Enqueues jobs and finds them again. Safe to share between threads."""

    def __init__(
        self, redis_url: str | None = None, *, settings: Settings | None = None, redis: Redis | None = None
    ) -> None:
        """Connect on first use.

        Args:
            redis_url: The ledger; None: `BATCHLINE_REDIS_URL`, else redis://localhost:6379/0.
            settings: All settings at once, instead of the environment's.
            redis: A Redis client of your own for the ledger (fakeredis in tests, a client with
                special TLS options). It must not decode replies.

        Raises:
            ConfigurationError: A setting is wrong.
        """
        self.connection = Connection(redis_url, settings=settings, redis=redis)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the sockets back."""
        self.connection.close()

    @overload
    def enqueue(
        self,
        model: str,
        response_model: type[M],
        requests: Iterable[BatchRequest | list[dict[str, Any]]],
        *,
        custom_ids: Iterable[str] | None = None,
        max_tokens: int | None = 1000,
        temperature: float | None = 0.1,
        metadata: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        options: Mapping[str, Any] | None = None,
        endpoint: str | None = None,
        retention_s: int | None = None,
    ) -> Job[M]: ...

    @overload
    def enqueue(  # type: ignore[overload-overlap]  # the endpoint's literal is narrower than the next one's text
        self,
        model: str,
        response_model: None,
        requests: Iterable[BatchRequest | str | list[str]],
        *,
        custom_ids: Iterable[str] | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        metadata: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        options: Mapping[str, Any] | None = None,
        endpoint: Literal["/v1/embeddings"],
        retention_s: int | None = None,
    ) -> Job[list[float]]: ...

    @overload
    def enqueue(
        self,
        model: str,
        response_model: None,
        requests: Iterable[BatchRequest | list[dict[str, Any]]],
        *,
        custom_ids: Iterable[str] | None = None,
        max_tokens: int | None = 1000,
        temperature: float | None = 0.1,
        metadata: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        options: Mapping[str, Any] | None = None,
        endpoint: str | None = None,
        retention_s: int | None = None,
    ) -> Job[str]: ...

    def enqueue(
        self,
        model: str,
        response_model: type[M] | None,
        requests: Iterable[Any],
        *,
        custom_ids: Iterable[str] | None = None,
        max_tokens: int | None = 1000,
        temperature: float | None = 0.1,
        metadata: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        options: Mapping[str, Any] | None = None,
        endpoint: str | None = None,
        retention_s: int | None = None,
    ) -> Job[Any]:
        """Put a job on the queue. When this returns, the job survives any crash.

        Args:
            model: `provider/model-name`, such as "openai/gpt-4.1-mini", or `provider@account/model-name`
                for an account of the settings.
            response_model: The Pydantic model of every answer; None gives text.
            requests: Conversations, or `BatchRequest`s with options of their own; streamed, never held.
                For embeddings: texts, or lists of texts.
            custom_ids: One for each request, unique in the job, up to 512 bytes each; None: the
                `BatchRequest`s' own, else `request-0`, `request-1`, …
            max_tokens: Most tokens to generate for each request; None: the provider's default.
            temperature: Sampling temperature; None: the provider's default. Not sent to
                models that refuse it.
            metadata: Kept with the job, JSON values, 64 KiB at most. Not sent to the provider.
            idempotency_key: The same key returns the same job, for as long as the job is kept.
            options: Further fields of the provider's request body, such as `seed`.
            endpoint: The provider's path of one request, such as "/v1/responses" or "/v1/embeddings";
                None: its default.
            retention_s: Seconds for which the job is kept once it has ended, 0 until it is deleted; None: as
                the workers' settings say.

        Returns:
            A handle on the job.

        Raises:
            InvalidModelError: The model is not of that form, or its provider or account unknown.
            InvalidInputError: An option or the endpoint is none that the provider has.
            SchemaError: The provider would refuse the response model; names the field.
            InvalidRequestError: A request is bad; names it. Nothing was enqueued.
            DuplicateCustomIdError: Two requests bear the same id.
            IdempotencyConflictError: The key stands for a job with another model or options.
            QueueUnavailableError, QueueFullError: Redis is down or full; nothing was enqueued, unless
                it went away during the very last write: call again with an `idempotency_key`.
        """
        named = known_model(model)
        speech = dialect(named.provider, endpoint or "", self.connection.settings.account(named))
        body = _mapping(options, "options")
        template = speech.template(
            named.name, response_model, max_tokens=max_tokens, temperature=temperature, options=body
        )
        labels = _mapping(metadata, "metadata")
        plan = JobPlan(model, speech, template, labels, idempotency_key, retention_s)
        encoded = _encoded(_RequestEncoder(speech, named.name, template), requests, custom_ids)
        return Job(self.connection, enqueue_rows(self.connection, plan, encoded), response_model)

    @overload
    def job(self, job_id: str, response_model: type[M]) -> Job[M]: ...

    @overload
    def job(self, job_id: str, response_model: None = None) -> Job[Any]: ...

    def job(self, job_id: str, response_model: type[M] | None = None) -> Job[M] | Job[Any]:
        """Find a job by its id, from any process.

        Args:
            job_id: As `Job.id` gave it.
            response_model: Types the outcomes; None gives text, or plain JSON values where
                the job was enqueued with a model.

        Raises:
            JobNotFoundError: There is no such job.
            QueueUnavailableError: Redis cannot be reached.
        """
        with self.connection.errors():
            self.connection.jobs.meta(job_id)
        return Job(self.connection, job_id, response_model)

    def jobs(
        self, status: JobStatus | str | None = None, model: str | None = None, limit: int | None = 100
    ) -> list[JobInfo]:
        """List jobs, newest first.

        Args:
            status: Only those with this status.
            model: Only those of this `provider/model-name`.
            limit: At most so many; None: all.

        Raises:
            InvalidInputError: There is no such status, no model of this form, or the limit is negative.
            QueueUnavailableError: Redis cannot be reached.
        """
        if status is not None and status not in list(JobStatus):
            raise InvalidInputError(f"there is no status {str(status)!r}; use one of {', '.join(JobStatus)}")
        if model is not None:
            known_model(model)
        if limit is not None and limit < 0:
            raise InvalidInputError(f"limit must be at least 0, or None for all, not {limit}")
        found: list[JobInfo] = []
        with self.connection.errors():
            for meta in self.connection.jobs.recent():
                if limit is not None and len(found) >= limit:
                    break
                if (status is None or meta.status == status) and (model is None or meta.model == model):
                    found.append(job_info(meta))
        return found


def _mapping(value: Mapping[str, Any] | None, name: str) -> Mapping[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        raise InvalidInputError(f"{name} must be a dict, not {type(value).__name__}")
    return value or {}


class _RequestEncoder:
    """Checks and encodes the requests of one job, one at a time."""

    def __init__(self, speech: Dialect, model_name: str, template: Mapping[str, Any]) -> None:
        self._speech = speech
        self._model_name = model_name
        self._template = template
        self.encode = speech.encoder(template)

    def request(self, request: BatchRequest, row: int) -> EncodedRequest:
        """Encode a request that may have options of its own."""
        try:
            overrides = self._speech.overrides(
                self._model_name, request.max_tokens, request.temperature, request.options
            )
        except InvalidInputError as error:
            raise InvalidRequestError(str(error), row=row) from None
        if not overrides:
            return EncodedRequest(self.encode(request.messages, row), request.custom_id)
        encoded = self._speech.encode_request(request.messages, overrides, self._template, row)
        return EncodedRequest(encoded, request.custom_id)


def _encoded(
    encoder: _RequestEncoder, requests: Iterable[Any], custom_ids: Iterable[str] | None
) -> Iterator[EncodedRequest]:
    """Check and encode the requests as they stream, each with its id."""
    check_many(requests, "requests must be an iterable of conversations")
    encoded = _streamed(encoder, requests)
    if custom_ids is None:
        return encoded
    check_many(custom_ids, "custom_ids must be an iterable of strings")
    return _named(encoded, custom_ids)


def _streamed(encoder: _RequestEncoder, requests: Iterable[Any]) -> Iterator[EncodedRequest]:
    encode = encoder.encode
    for row, request in enumerate(requests):
        if isinstance(request, BatchRequest):
            yield encoder.request(request, row)
        else:
            yield EncodedRequest(encode(request, row), None)


def _named(encoded: Iterator[EncodedRequest], custom_ids: Iterable[str]) -> Iterator[EncodedRequest]:
    """Give each request its id; both run out together, or it is an error."""
    names = iter(custom_ids)
    end = object()
    count = 0
    for count, (request, custom_id) in enumerate(encoded, start=1):
        if custom_id is not None:
            raise InvalidRequestError(
                "has a custom_id of its own; give custom_ids or BatchRequest.custom_id", row=count - 1
            )
        name: Any = next(names, end)
        if name is end:
            raise InvalidInputError(f"custom_ids has {count - 1} entries, but there are more requests")
        if name is None:  # inside, None stands for the default id
            raise InvalidRequestError("custom_id must be a non-empty string", row=count - 1)
        yield EncodedRequest(request, name)
    if next(names, end) is not end:
        raise InvalidInputError(f"custom_ids has more entries than there are requests ({count})")
