"""Instructor's names, for code that says `from instructor.batch import …`."""

from batchline.processor import BatchProcessor
from batchline.requests import BatchRequest
from batchline.results import (
    extract_results,
    filter_errors,
    filter_successful,
    get_results_by_custom_id,
)
from batchline_shared.outcomes import BatchError, BatchResult, BatchSuccess

__all__ = [
    "BatchError",
    "BatchProcessor",
    "BatchRequest",
    "BatchResult",
    "BatchSuccess",
    "extract_results",
    "filter_errors",
    "filter_successful",
    "get_results_by_custom_id",
]
