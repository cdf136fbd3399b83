"""A handle on one job: its status, its outcomes, and what can be done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from batchline.deleting import delete
from batchline.deliveries import deliveries_of
from batchline.job_info import job_info
from batchline.progress import progress_bar
from batchline.provider_batches import batches_of
from batchline.reading import ResultStream, reader_of
from batchline.reasking import reask
from batchline.releasing import release
from batchline.resolving import noted, resolving
from batchline.retrying import retry_failed
from batchline.waiting import blocking, watching
from batchline_shared.errors import JobNotReadyError
from batchline_shared.ledger import JobStatus
from batchline_shared.outcome_rows import row_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from batchline.connection import Connection
    from batchline.deliveries import Delivery
    from batchline.job_info import JobInfo
    from batchline.provider_batches import ProviderBatch
    from batchline_shared.ledger import JobMeta
    from batchline_shared.outcomes import BatchResult, ErrorType

__all__ = ["Job"]

T = TypeVar("T")


class Job(Generic[T]):
    """One job in the queue. Cheap: it holds an id, and asks the ledger each time."""

    def __init__(self, connection: Connection, job_id: str, response_model: type[T] | None) -> None:
        """Made by `BatchClient`; `response_model` types the outcomes that this handle reads."""
        self._connection = connection
        self._response_model = response_model
        self.id = job_id

    def __repr__(self) -> str:
        return f"Job({self.id!r})"

    def status(self) -> JobStatus:
        """Where the job stands.

        Raises:
            JobNotFoundError: There is no such job, or its retention has ended.
            QueueUnavailableError: Redis cannot be reached.
        """
        return JobStatus(self._meta().status)

    def info(self) -> JobInfo:
        """Everything about the job but its requests and outcomes. Raises as `status` does."""
        return job_info(self._meta())

    def batches(self) -> list[ProviderBatch]:
        """The job's batches at the provider, in the order of its requests. Raises as `status` does."""
        with self._connection.errors():
            return batches_of(self._connection, self.id)

    def deliveries(self) -> list[Delivery]:
        """How telling of the job's ends (`on_complete`, `webhook`) has gone. Raises as `status` does."""
        with self._connection.errors():
            return deliveries_of(self._connection, self.id)

    def wait(self, timeout_s: float | None = None, progress: bool = False) -> JobStatus:  # noqa: FBT001, FBT002
        """Wait until the job has ended; the ledger tells, so no time is lost.

        Args:
            timeout_s: Seconds to wait; None: for as long as it takes.
            progress: Show a progress bar on the terminal.

        Returns:
            The final status, whatever it is.

        Raises:
            WaitTimeoutError: The job had not ended in time; it goes on.
            JobNotFoundError, QueueUnavailableError: As `status`.
        """
        status = JobStatus.QUEUED
        with progress_bar(self.id, shown=progress) as show:
            steps = watching(self._connection, self.id, timeout_s)
            for meta in blocking(self._connection, self.id, steps):
                show(meta)
                status = JobStatus(meta.status)
        return status

    def results(self) -> list[BatchResult[T]]:
        """All outcomes, in the order of the requests.

        Raises:
            JobNotReadyError: The job has not ended; `wait()` first, or use `iter_results()`.
            JobNotFoundError, QueueUnavailableError: As `status`.
        """
        meta = self._meta()
        if not meta.is_final:
            raise JobNotReadyError(
                f"job {self.id} is {meta.status}: wait() for it, or read what there is with iter_results()",
                job_id=self.id,
            )
        reader = reader_of(meta, self._response_model)
        with self._connection.errors():
            stored = [
                row for rows in self._connection.jobs.outcome_rows(self.id, 0, meta.landed) for row in rows
            ]
        stored.sort(key=row_of)
        return [reader.read(row) for row in stored]

    def iter_results(self, timeout_s: float | None = None, after: str | None = None) -> ResultStream[T]:
        """Stream outcomes in bounded memory as they land; ends when the job does.

        Args:
            timeout_s: Seconds to wait for the job to end, in all; None: for ever.
            after: Go on behind this place, which a stream of this job gave as its `cursor`, here or in
                another process; None: from the first outcome.

        Returns:
            An iterator that gives each outcome once, in the order in which they land, not that of the
            requests. Its `cursor` says how far it has come; what `retry_failed` sends again comes again.

        Raises:
            InvalidInputError: `after` is no cursor of this job.
            WaitTimeoutError: While it is read: the job had not ended in time.
            LedgerError: While it is read: Redis has lost outcomes that had been read.
            JobNotFoundError, QueueUnavailableError: While it is read: as `status`.
        """
        return ResultStream(self._connection, self.id, self._response_model, after, timeout_s)

    def iter_attempts(self) -> Iterator[BatchResult[T]]:
        """Stream the failures that were not the last word, in bounded memory, in no promised order.

        Each is a `BatchError` (or an answer that a user's `retry_failed` took back) whose `attempts` says in
        which attempt the request had it; the request's last one is among the results.

        Raises:
            JobNotFoundError, QueueUnavailableError: As `status`.
        """
        meta = self._meta()
        reader = reader_of(meta, self._response_model)
        with self._connection.errors():
            for rows in self._connection.jobs.attempt_rows(self.id, 0, meta.logged):
                yield from map(reader.read, rows)

    def cancel(self) -> JobStatus:
        """Ask for the job to be stopped: what is done is kept, what is not becomes `cancelled`.

        Safe to repeat; a job that has ended stays as it is.

        Returns:
            The status after the call: `cancelling`, or a final one.

        Raises:
            JobNotFoundError, QueueUnavailableError: As `status`.
        """
        with self._connection.errors():
            meta = self._connection.jobs.meta(self.id)
            if not meta.is_final:
                # The status first: a worker may end the job as soon as its work is marked.
                open_statuses = (JobStatus.QUEUED, JobStatus.SUBMITTING, JobStatus.IN_PROGRESS)
                self._connection.jobs.set_status(self.id, JobStatus.CANCELLING, since=open_statuses)
                self._connection.work.cancel(self.id)
                self._connection.nudge_all()
        return self.status()

    def retry_failed(self, error_types: Collection[ErrorType | str] | None = None) -> int:
        """Send the failed requests of a finished job again, as further attempts of the same job.

        A deadline that has passed binds them no more: they are run in batches, and the job has none.

        Args:
            error_types: Which failures; None: those that a retry may help.

        Returns:
            How many requests are sent again; the job has ended as before when it is 0.

        Raises:
            JobNotReadyError: It has not ended. InvalidInputError: It was adopted, so has no requests here.
            JobNotFoundError, QueueUnavailableError: As `status`.
        """
        meta = self._meta()
        with self._connection.errors():
            return retry_failed(self._connection, meta, reader_of(meta, self._response_model), error_types)

    def reask(self) -> int:
        """Send the answers of a finished job back that do not fit the response model, validators included.

        Each goes out as a further attempt, its conversation grown by the answer and by what is wrong with it;
        as often as `enqueue(reask=…)` allows for each request, what workers sent back by themselves included.

        Returns:
            How many are sent back; the job has ended as before when it is 0.

        Raises:
            InvalidInputError: The job was enqueued without `reask`, or this handle has no response model.
            JobNotReadyError: The job has not ended.
            JobNotFoundError, QueueUnavailableError: As `status`.
        """
        meta = self._meta()
        with self._connection.errors():
            return reask(self._connection, meta, reader_of(meta, self._response_model))

    def resolve(self, shard: str, *, batch_id: str | None, timeout_s: float | None = 60.0) -> ProviderBatch:
        """Decide which batch a part of the job has whose creation is in doubt; safe to repeat.

        A worker carries it out. It asks the provider for the batch, and refuses one that is not the part's by
        its mark, its input or its number of requests.

        Args:
            shard: The part, as `batches` names it, or the shared batch that it rides in: for all who do.
            batch_id: The provider's id of its batch; None: no batch exists, and the part is sent again. If
                there was one after all, its requests are paid for twice.
            timeout_s: Seconds to wait for a worker; None: for as long as it takes.

        Returns:
            The part as it is then.

        Raises:
            InvalidInputError: The job has no such part, it is not in doubt, or the batch is not its own.
            WaitTimeoutError: No worker has carried it out in time; the decision stands.
            JobNotFoundError, QueueUnavailableError: As `status`.
        """
        decided = noted(self._connection, self.id, shard, batch_id)
        steps = resolving(self._connection, self.id, decided, timeout_s)
        return next(blocking(self._connection, self.id, steps))

    def release(self, shard: str | None = None, *, give_up: bool = False) -> list[str]:
        """Have what was set aside of the job worked on again, once its cause is mended.

        Args:
            shard: The part, as `batches` names it; None: all of the job.
            give_up: End the part instead: its batch, if one runs, is cancelled, and its requests without an
                outcome end as `unknown`, although they may have been paid for.

        Returns:
            What was released: the job itself, its shards, or the shared batches that they ride in.

        Raises:
            InvalidInputError: Nothing of that is set aside.
            QueueUnavailableError: As `status`.
        """
        with self._connection.errors():
            return release(self._connection, self.id, shard, give_up=give_up)

    def delete(self, *, force: bool = False, timeout_s: float | None = None) -> None:
        """Delete a finished job at once, instead of when its retention ends. Safe to repeat.

        Requests, outcomes and idempotency key go now; a worker then deletes what it left at the provider,
        also where `BATCHLINE_CLEAN_UP_AFTER_S` says never.

        Args:
            force: Cancel a job that runs, and wait for its end first.
            timeout_s: Seconds to wait for that; None: for as long as it takes.

        Raises:
            JobNotReadyError: The job has not ended.
            WaitTimeoutError: It was cancelled and has not ended in time; delete it later.
            JobNotFoundError, QueueUnavailableError: As `status`.
        """
        if force and not self.cancel().is_final:
            self.wait(timeout_s)
        with self._connection.errors():
            delete(self._connection, self.id)

    def _meta(self) -> JobMeta:
        with self._connection.errors():
            return self._connection.jobs.meta(self.id)
