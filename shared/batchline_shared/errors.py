"""Every exception that Batchline raises on purpose.

A failed request is data (`BatchError` in `outcomes`); a failed call is one of
these. The tree is split by what the caller does next.

* BatchlineError
    * InvalidInputError (also a ValueError)   fix the input and call again
        * InvalidModelError                   the `provider/model` string
        * SchemaError                         the response model, for this provider
        * InvalidRequestError                 one request: messages, options or custom id
        * DuplicateCustomIdError              two requests of one job share an id
        * InvalidBatchFileError               a JSONL file or buffer, by line
        * IdempotencyConflictError            the key was used for another job
        * BudgetExceededError                 the requests would cost more than `max_cost_usd`
        * InvalidWebhookError                 a provider's webhook that is forged, stale or malformed
    * JobError
        * JobNotFoundError (also a LookupError)  no such job id, or its retention has ended
        * JobNotReadyError                    results were asked for before the job ended
        * WaitTimeoutError (also a TimeoutError) the job still runs; wait again
    * QueueUnavailableError                   Redis cannot be reached; calling again may help
        * QueueFullError                      Redis is out of memory; nothing was enqueued
    * LedgerError                             what Redis holds is not what we wrote
    * ConfigurationError                      a setting or a key of this process
    * ProviderError                           a provider refused or failed (workers only)
        * ProviderRejectedError               the same call will be refused again
        * ProviderAuthError                   key missing or refused; an operator has to act
        * ProviderBusyError                   refused for now; nothing was accepted
        * ProviderUnavailableError            no telling whether the call took effect
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

__all__ = [
    "BatchlineError",
    "BudgetExceededError",
    "ConfigurationError",
    "DuplicateCustomIdError",
    "IdempotencyConflictError",
    "InvalidBatchFileError",
    "InvalidInputError",
    "InvalidModelError",
    "InvalidRequestError",
    "InvalidWebhookError",
    "JobError",
    "JobNotFoundError",
    "JobNotReadyError",
    "LedgerError",
    "ProviderAuthError",
    "ProviderBusyError",
    "ProviderError",
    "ProviderRejectedError",
    "ProviderUnavailableError",
    "QueueFullError",
    "QueueUnavailableError",
    "SchemaError",
    "WaitTimeoutError",
]


class BatchlineError(Exception):
    """Root of every exception that Batchline raises on purpose."""


class InvalidInputError(BatchlineError, ValueError):
    """The input cannot be used; nothing was enqueued."""


class InvalidModelError(InvalidInputError):
    """The model is not `provider/model-name`, or the provider is unknown."""


class SchemaError(InvalidInputError):
    """The provider would refuse the response model's schema."""

    def __init__(self, message: str, *, path: str) -> None:
        """Keep the path of the first field that is at fault, such as `Order.items[].tags`."""
        super().__init__(message)
        self.path = path


class InvalidRequestError(InvalidInputError):
    """One request cannot be sent to the provider."""

    def __init__(self, message: str, *, row: int) -> None:
        """Keep the request's position in its job, from 0, and what is wrong with it."""
        super().__init__(f"request {row}: {message}")
        self.row = row
        self.reason = message


class DuplicateCustomIdError(InvalidInputError):
    """Two requests of one job bear the same custom id."""


class InvalidBatchFileError(InvalidInputError):
    """A batch file or buffer cannot be used."""

    def __init__(self, message: str, *, line: int | None = None) -> None:
        """Keep the line at fault, from 1; None when the whole file is."""
        super().__init__(message if line is None else f"line {line}: {message}")
        self.line = line


class IdempotencyConflictError(InvalidInputError):
    """The idempotency key already stands for a job of another model, response model or options."""


class BudgetExceededError(InvalidInputError):
    """The requests would cost more than `max_cost_usd`, whatever their answers; nothing was enqueued."""

    def __init__(self, message: str, *, least_usd: Decimal, max_cost_usd: Decimal) -> None:
        """Keep what the requests that were read would cost at least, without answers, and the limit."""
        super().__init__(message)
        self.least_usd = least_usd
        self.max_cost_usd = max_cost_usd


class InvalidWebhookError(InvalidInputError):
    """A provider's webhook is not signed with its secret, too old, or malformed: answer it with 400."""


class JobError(BatchlineError):
    """A call about one job could not be served."""

    def __init__(self, message: str, *, job_id: str) -> None:
        """Keep the job's id."""
        super().__init__(message)
        self.job_id = job_id


class JobNotFoundError(JobError, LookupError):
    """There is no such job: the id is wrong, or the retention of a finished job has ended."""

    def __init__(self, job_id: str) -> None:
        """Name the id and what to look at."""
        super().__init__(
            f"there is no job {job_id!r}; `batchline batch list` shows the jobs of this Redis", job_id=job_id
        )


class JobNotReadyError(JobError):
    """The job has not ended yet, so its results are incomplete."""


class WaitTimeoutError(JobError, TimeoutError):
    """The job had not ended when the time was up; it goes on all the same."""


class QueueUnavailableError(BatchlineError):
    """Redis cannot be reached or refuses; calling again may help."""


class QueueFullError(QueueUnavailableError):
    """Redis has reached its `maxmemory`; nothing was enqueued."""


class LedgerError(BatchlineError):
    """A record in Redis is not one that this version of Batchline wrote."""


class ConfigurationError(BatchlineError):
    """A setting or a key that this process needs is missing or wrong."""


class ProviderError(BatchlineError):
    """A provider refused a call or failed."""

    def __init__(
        self, provider: str, message: str, *, status_code: int | None = None, code: str | None = None
    ) -> None:
        """Keep the provider's name, its HTTP status and its own error code."""
        super().__init__(f"{provider}: {message}")
        self.provider = provider
        self.status_code = status_code
        self.code = code


class ProviderRejectedError(ProviderError):
    """The provider refused the call, and would refuse it again; nothing was accepted."""


class ProviderAuthError(ProviderError):
    """The provider's key is missing or refused; nothing was accepted."""


class ProviderBusyError(ProviderError):
    """The provider refused the call for now; nothing was accepted."""

    def __init__(
        self,
        provider: str,
        message: str,
        *,
        status_code: int | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """Keep the provider's own hint, in seconds, where it sent one."""
        super().__init__(provider, message, status_code=status_code, code=code)
        self.retry_after_s = retry_after_s


class ProviderUnavailableError(ProviderError):
    """Reset, time-out or server error: the call may or may not have taken effect."""
