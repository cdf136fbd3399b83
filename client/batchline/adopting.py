"""Taking over a batch that somebody else made at a provider: following it, and reading it like a job of ours.

The client has no key, so it writes a job without requests; the workers look at the batch, and learn from
it which requests there are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, overload

from batchline.enqueue import commit_job, enqueue_job
from batchline.job import Job
from batchline.job_plan import JobPlan
from batchline.policy import RetryPolicy
from batchline_shared.batch_ids import check_batch_id
from batchline_shared.dialects.registry import dialect, known_model
from batchline_shared.ledger.payload import Written
from batchline_shared.pricing import price_list_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from batchline.connection import Connection
    from batchline_shared.ledger import JobMeta

__all__ = ["Adopting"]

M = TypeVar("M", bound="BaseModel")


@dataclass(frozen=True)
class AdoptionPlan(JobPlan):
    """What is known of an adopted job before its batch has been looked at."""

    batch_id: str = field(kw_only=True)
    """The provider's."""
    structured: bool = field(kw_only=True)
    """Whether answers are to be JSON."""

    def conflict(self, found: JobMeta) -> str | None:
        """See `JobPlan.conflict`."""
        theirs = (found.model, found.endpoint, found.structured)
        if theirs == (self.model, self.dialect.endpoint, self.structured):
            return None
        return (
            f"batch {self.batch_id} is job {found.id} already, with another model, endpoint or form of "
            f"answers: read that one, or delete it first (batchline batch delete {found.id})"
        )

    def fields(self) -> dict[str, str | int | bytes]:
        """See `JobPlan.fields`."""
        return {**super().fields(), "adopted": self.batch_id, "structured": int(self.structured)}


class Adopting:
    """The part of `BatchClient` that takes batches over."""

    connection: Connection

    @overload
    def adopt(
        self,
        model: str,
        response_model: type[M],
        batch_id: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        endpoint: str | None = None,
        retention_s: int | None = None,
    ) -> Job[M]: ...

    @overload
    def adopt(
        self,
        model: str,
        response_model: None,
        batch_id: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        endpoint: str | None = None,
        retention_s: int | None = None,
    ) -> Job[str]: ...

    def adopt(
        self,
        model: str,
        response_model: type[M] | None,
        batch_id: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        endpoint: str | None = None,
        retention_s: int | None = None,
    ) -> Job[Any]:
        """Take over a batch that was made elsewhere: it is followed and collected, and never sent again.

        The same batch always gives the same job, for as long as that is kept. Whether the provider knows the
        batch, a worker finds out: if not, the job is `failed`, and its message says why.

        Args:
            model: `provider/model-name`, or `provider@account/model-name`, of the batch's requests.
            response_model: The Pydantic model of every answer; None gives text.
            batch_id: The provider's id; for Vertex AI the job's full name, for Gemini `batches/…`.
            metadata: Kept with the job, JSON values, 64 KiB at most.
            endpoint: The provider's path of one request; None: its default.
            retention_s: Seconds for which the job is kept once it has ended, 0 until it is deleted; None: as
                the workers' settings say.

        Returns:
            A handle on the job. Its custom ids are those that the batch's maker gave.

        Raises:
            InvalidModelError: The model is not of that form, or its provider or account unknown.
            InvalidInputError: That is no batch id of the provider, or an argument is wrong.
            IdempotencyConflictError: The batch was adopted before, with another model or form of answers.
            QueueUnavailableError, QueueFullError: Redis is down or full; call again.
        """
        named = known_model(model)
        account = self.connection.settings.account(named)
        batch_id = check_batch_id(named.provider, batch_id)
        plan = AdoptionPlan(
            model,
            dialect(named.provider, endpoint or "", account),
            {},
            {} if metadata is None else metadata,
            f"\0adopted\0{named.route}\0{batch_id}",  # no user's key begins so
            retention_s,
            retry=RetryPolicy(max_attempts=1),
            price_list=price_list_of(model, account),
            batch_id=batch_id,
            structured=response_model is not None,
        )

        def write(job_id: str) -> None:
            commit_job(self.connection, plan, job_id, {"total": 0, "chunks": 0, "given_ids": 1}, Written())

        return Job(self.connection, enqueue_job(self.connection, plan, write), response_model)
