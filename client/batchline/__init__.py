"""Batchline: LLM batch jobs at half price, on a queue of your own, with typed results.

client = BatchClient()
job = client.enqueue("openai/gpt-4.1-mini", User, conversations)
job.wait()
for outcome in job.iter_results(): ...
"""

from batchline.async_client import AsyncBatchClient
from batchline.async_job import AsyncJob, AsyncResultStream
from batchline.client import BatchClient
from batchline.costs import CostLine
from batchline.deliveries import Delivery, DeliveryAttempt
from batchline.estimating import CostEstimate
from batchline.job import Job
from batchline.job_info import JobInfo
from batchline.job_options import EnqueueOptions
from batchline.policy import RetryPolicy
from batchline.processor import BatchProcessor
from batchline.provider_batches import ProviderBatch
from batchline.reading import ResultStream
from batchline.requests import BatchRequest
from batchline.results import (
    extract_results,
    filter_errors,
    filter_successful,
    get_results_by_custom_id,
)
from batchline_shared.errors import (
    BatchlineError,
    BudgetExceededError,
    ConfigurationError,
    DuplicateCustomIdError,
    IdempotencyConflictError,
    InvalidBatchFileError,
    InvalidInputError,
    InvalidModelError,
    InvalidRequestError,
    InvalidWebhookError,
    JobError,
    JobNotFoundError,
    JobNotReadyError,
    LedgerError,
    QueueFullError,
    QueueUnavailableError,
    SchemaError,
    WaitTimeoutError,
)
from batchline_shared.ledger import (
    DeliveryError,
    DeliveryKind,
    DeliveryState,
    JobStatus,
    OnDeadline,
    Priority,
)
from batchline_shared.outcomes import BatchError, BatchResult, BatchSuccess, ErrorType, TokenUsage
from batchline_shared.pricing import Cost
from batchline_shared.settings import Settings

__all__ = [
    "AsyncBatchClient",
    "AsyncJob",
    "AsyncResultStream",
    "BatchClient",
    "BatchError",
    "BatchProcessor",
    "BatchRequest",
    "BatchResult",
    "BatchSuccess",
    "BatchlineError",
    "BudgetExceededError",
    "ConfigurationError",
    "Cost",
    "CostEstimate",
    "CostLine",
    "Delivery",
    "DeliveryAttempt",
    "DeliveryError",
    "DeliveryKind",
    "DeliveryState",
    "DuplicateCustomIdError",
    "EnqueueOptions",
    "ErrorType",
    "IdempotencyConflictError",
    "InvalidBatchFileError",
    "InvalidInputError",
    "InvalidModelError",
    "InvalidRequestError",
    "InvalidWebhookError",
    "Job",
    "JobError",
    "JobInfo",
    "JobNotFoundError",
    "JobNotReadyError",
    "JobStatus",
    "LedgerError",
    "OnDeadline",
    "Priority",
    "ProviderBatch",
    "QueueFullError",
    "QueueUnavailableError",
    "ResultStream",
    "RetryPolicy",
    "SchemaError",
    "Settings",
    "TokenUsage",
    "WaitTimeoutError",
    "extract_results",
    "filter_errors",
    "filter_successful",
    "get_results_by_custom_id",
]
