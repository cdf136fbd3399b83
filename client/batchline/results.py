"""Working with a list of outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from batchline_shared.outcomes import BatchError, BatchSuccess

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batchline_shared.outcomes import BatchResult

__all__ = ["extract_results", "filter_errors", "filter_successful", "get_results_by_custom_id"]

T = TypeVar("T")


def filter_successful(results: Iterable[BatchResult[T]]) -> list[BatchSuccess[T]]:
    """The successes, in the order given."""
    return [result for result in results if isinstance(result, BatchSuccess)]


def filter_errors(results: Iterable[BatchResult[T]]) -> list[BatchError]:
    """The errors, in the order given."""
    return [result for result in results if isinstance(result, BatchError)]


def extract_results(results: Iterable[BatchResult[T]]) -> list[T]:
    """The answers of the successes alone, in the order given."""
    return [result.result for result in results if isinstance(result, BatchSuccess)]


def get_results_by_custom_id(results: Iterable[BatchResult[T]]) -> dict[str, BatchResult[T]]:
    """The outcomes by custom id, which is unique in a job."""
    return {result.custom_id: result for result in results}
