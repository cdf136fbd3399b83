"""The queue, as application code sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Unpack, overload

from batchline.adopting import Adopting
from batchline.connection import Connection
from batchline.costs import cost_lines, group_of
from batchline.encoding import RequestEncoder, encoded
from batchline.enqueue import enqueue_rows
from batchline.estimating import metered
from batchline.job import Job
from batchline.job_info import job_info
from batchline.job_plan import JobPlan
from batchline.prompt_cache import with_marked_prompt
from batchline.provider_webhooks import take_hint
from batchline.reask_plan import reask_plan
from batchline_shared.dialects.registry import dialect, known_model
from batchline_shared.errors import InvalidInputError
from batchline_shared.ledger import JobStatus, Priority
from batchline_shared.pricing import price_list_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta
    from decimal import Decimal

    from pydantic import BaseModel
    from redis import Redis

    from batchline.costs import CostLine
    from batchline.deadline import Action
    from batchline.estimating import CostEstimate
    from batchline.job_info import JobInfo
    from batchline.job_options import EnqueueOptions
    from batchline.policy import RetryPolicy
    from batchline.prompt_cache import PromptCache
    from batchline.requests import BatchRequest
    from batchline_shared.settings import Settings

__all__ = ["BatchClient"]

M = TypeVar("M", bound="BaseModel")


class BatchClient(Adopting):
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
        endpoint: str | None = None,
        **how: Unpack[EnqueueOptions],
    ) -> Job[M]: ...

    @overload
    def enqueue(  # type: ignore[overload-overlap]  # the endpoint's literal is narrower than the next one's text
        self,
        model: str,
        response_model: None,
        requests: Iterable[BatchRequest | str | list[str]],
        *,
        endpoint: Literal["/v1/embeddings"],
        **how: Unpack[EnqueueOptions],
    ) -> Job[list[float]]: ...

    @overload
    def enqueue(
        self,
        model: str,
        response_model: None,
        requests: Iterable[BatchRequest | list[dict[str, Any]]],
        *,
        endpoint: str | None = None,
        **how: Unpack[EnqueueOptions],
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
        max_cost_usd: Decimal | float | None = None,
        options: Mapping[str, Any] | None = None,
        endpoint: str | None = None,
        retention_s: int | None = None,
        retry: RetryPolicy | None = None,
        priority: Priority | str = "normal",
        deadline: timedelta | datetime | None = None,
        on_deadline: Action = "cancel",
        deduplicate: bool = False,
        prompt_cache: PromptCache | None = None,
        on_complete: str | None = None,
        webhook: str | None = None,
        reask: int = 0,
        linger_s: float | None = None,
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
            max_cost_usd: What the job may cost: refused where its input alone costs more, and held by the
                workers once that is spent; None: whatever it does.
            options: Further fields of the provider's request body, such as `seed`.
            endpoint: The provider's path of one request, such as "/v1/responses" or "/v1/embeddings";
                None: its default.
            retention_s: Seconds for which the job is kept once it has ended, 0 until it is deleted; None: as
                the workers' settings say.
            retry: Which failed requests are sent again by themselves; None: as the settings say.
            priority: "low", "normal" or "high": whose batches go first where jobs wait for the same room.
            deadline: Until when requests may be run in batches: a time from now, or a moment with its time
                zone. Then the job ends by itself, with what is done. None: it takes what it takes.
            on_deadline: What becomes of requests that were not run by then: "cancel", they end as `expired`;
                "live", they are asked one by one, at the provider's full price.
            deduplicate: Send requests with the same messages and options once; each still gets an outcome.
            prompt_cache: How long Anthropic is to keep the prompt that the requests share; None: not at all.
            on_complete: A task of your own Celery app, `task.name` or `task.name@queue`, that is sent the
                job's id once it has ended, at least once; see docs/hooks.md.
            webhook: An endpoint of the workers' settings, by its name, that is told then by a signed request.
            reask: How often, 0 to 10, an answer that does not fit the response model is sent back to be
                corrected; each time it is a request that costs.
            linger_s: Seconds for which requests that do not fill a batch may wait for those of other jobs to
                share one; 0: the job has its own batches; None: as the settings say.

        Returns:
            A handle on the job.

        Raises:
            InvalidModelError: The model is not of that form, or its provider or account unknown.
            InvalidInputError: An option or the endpoint is none that the provider has; the deadline has
                passed or names no time zone; another provider than Anthropic is asked to cache; a hook is
                malformed; the linger is no time, or lasts until the deadline.
            SchemaError: The provider would refuse the response model; names the field.
            InvalidRequestError: A request is bad; names it. Nothing was enqueued.
            DuplicateCustomIdError: Two requests bear the same id.
            BudgetExceededError: The requests' input costs more than `max_cost_usd`.
            IdempotencyConflictError: The key stands for a job with another model or options.
            QueueUnavailableError, QueueFullError: Redis is down or full; nothing was enqueued, unless
                it went away during the very last write: call again with an `idempotency_key`.
        """
        named = known_model(model)
        account = self.connection.settings.account(named)
        speech = dialect(named.provider, endpoint or "", account)
        body = _mapping(options, "options")
        template = speech.template(
            named.name, response_model, max_tokens=max_tokens, temperature=temperature, options=body
        )
        template, requests = with_marked_prompt(speech, template, requests, prompt_cache)
        plan = JobPlan.of(
            self.connection.settings,
            model,
            speech,
            template,
            reask=reask_plan(reask, response_model),
            metadata=metadata,
            idempotency_key=idempotency_key,
            max_cost_usd=max_cost_usd,
            retention_s=retention_s,
            retry=retry,
            priority=priority,
            deadline=deadline,
            on_deadline=on_deadline,
            deduplicate=deduplicate,
            on_complete=on_complete,
            webhook=webhook,
            linger_s=linger_s,
        )
        rows = encoded(RequestEncoder(speech, named.name, template), requests, custom_ids)
        return Job(self.connection, enqueue_rows(self.connection, plan, rows), response_model)

    def estimate(
        self,
        model: str,
        response_model: type[BaseModel] | None,
        requests: Iterable[Any],
        *,
        max_tokens: int | None = 1000,
        temperature: float | None = 0.1,
        options: Mapping[str, Any] | None = None,
        endpoint: str | None = None,
        deduplicate: bool = False,
    ) -> CostEstimate:
        """Tell what requests would cost, and check them, without enqueuing anything; needs no Redis.

        Takes what `enqueue` takes of requests, and raises what it raises of them. An iterator is used up.
        """
        named = known_model(model)
        account = self.connection.settings.account(named)
        speech = dialect(named.provider, endpoint or "", account)
        body = _mapping(options, "options")
        template = speech.template(
            named.name, response_model, max_tokens=max_tokens, temperature=temperature, options=body
        )
        rows = encoded(RequestEncoder(speech, named.name, template), requests, None)
        return metered(speech, template, model, price_list_of(model, account), rows, deduplicate=deduplicate)

    def costs(self, group_by: str = "model", *, since: datetime | None = None) -> list[CostLine]:
        """Add up what the jobs that are kept have cost so far, the dearest first.

        Args:
            group_by: `model`, `account`, `job`, or `tag:<name>` for a key of the jobs' metadata.
            since: Only jobs enqueued then or later; None: all.

        Raises:
            InvalidInputError: Jobs cannot be grouped by that.
            QueueUnavailableError: Redis cannot be reached.
        """
        group = group_of(group_by)
        with self.connection.errors():
            return cost_lines(self.connection.jobs.recent(), group, since)

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

    def provider_webhook(self, route: str, headers: Mapping[str, str], body: bytes | str) -> bool:
        """Take a provider's webhook as a hint that a batch has ended: it is polled at once.

        Args:
            route: Whose it is: `openai` or `gemini`, or `openai@account`.
            headers: Of the request, as they came.
            body: Of the request, as it came.

        Returns:
            Whether it is about a batch of ours that runs; others need nothing but a 2xx as well.

        Raises:
            InvalidWebhookError: It is not signed with the secret, or older than five minutes: answer 400.
            ConfigurationError: The secret is not in this process's environment.
            InvalidInputError: The provider sends no webhooks, or there is no such account.
            QueueUnavailableError: Redis cannot be reached: answer 503, and it comes again.
        """
        return take_hint(self.connection, route, headers, body)


def _mapping(value: Mapping[str, Any] | None, name: str) -> Mapping[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        raise InvalidInputError(f"{name} must be a dict, not {type(value).__name__}")
    return value or {}
