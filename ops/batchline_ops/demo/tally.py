"""Counts outcomes as they are read, and holds each answer against the truth."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from batchline import BatchSuccess
from batchline_ops.demo.facts import PackageFacts

if TYPE_CHECKING:
    from batchline import BatchResult

__all__ = ["Tally"]

_ERROR_SAMPLES: Final = 2
_SUCCESS_SAMPLES: Final = 3


class Tally:
    """What came of the requests so far. Keeps counts, the truth, and a handful of samples."""

    def __init__(self) -> None:
        self.truth: dict[str, PackageFacts] = {}
        """Custom id → what a perfect reader would answer; filled as requests are enqueued."""

        self.seen: Counter[str] = Counter()
        """Custom id → outcomes."""

        self.succeeded = 0
        self.errors: Counter[str] = Counter()
        """Error type → outcomes."""

        self.input_tokens = 0
        self.output_tokens = 0
        self.cached_tokens = 0
        self.samples: list[BatchResult[PackageFacts]] = []
        self._right: Counter[str] = Counter()
        self._compared = 0

    @property
    def errored(self) -> int:
        """Outcomes without a usable answer."""
        return self.errors.total()

    def add(self, outcome: BatchResult[PackageFacts]) -> None:
        """Count one outcome."""
        self.seen[outcome.custom_id] += 1
        if outcome.usage is not None:
            self.input_tokens += outcome.usage.input_tokens
            self.output_tokens += outcome.usage.output_tokens
            self.cached_tokens += outcome.usage.cached_input_tokens
        if isinstance(outcome, BatchSuccess):
            self.succeeded += 1
            self._compare(outcome)
            limit = _SUCCESS_SAMPLES
        else:
            self.errors[outcome.error_type.value] += 1
            limit = _ERROR_SAMPLES
        if sum(sample.success is outcome.success for sample in self.samples) < limit:
            self.samples.append(outcome)

    def agreement(self) -> dict[str, float]:
        """Field → percent of the successes whose answer is the truth; empty without a success."""
        if not self._compared:
            return {}
        return {
            field: round(100 * self._right[field] / self._compared, 1) for field in PackageFacts.model_fields
        }

    def _compare(self, outcome: BatchSuccess[PackageFacts]) -> None:
        truth = self.truth.get(outcome.custom_id)
        if truth is None:
            return
        self._compared += 1
        for field in PackageFacts.model_fields:
            self._right[field] += getattr(truth, field) == getattr(outcome.result, field)
