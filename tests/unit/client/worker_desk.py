"""What a worker does to a job, by hand: outcomes land one by one, and the job ends when a test says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from batchline_shared.dialects.registry import dialect
from batchline_shared.ledger import JobStatus, JobStore, Landing, Stage, WorkQueue
from batchline_shared.outcome_rows import encode_outcome, encode_unanswered
from batchline_shared.outcomes import ErrorType
from batchline_shared.pricing import token_counts

if TYPE_CHECKING:
    from redis import Redis


def answer_line(content: str | None, *, finish: str = "stop", tokens: tuple[int, int] = (10, 5)) -> Any:
    """A line of OpenAI's output file."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": finish}
    usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]}
    body = {"object": "chat.completion", "choices": [choice], "usage": usage}
    response = {"status_code": 200, "body": body}
    return {"id": "batch_req_1", "custom_id": "wire-1", "response": response, "error": None}


class WorkerDesk:
    """Lands outcomes and ends jobs, through the same scripts as a worker."""

    def __init__(self, client: Redis) -> None:
        self.jobs = JobStore(client)
        self.work = WorkQueue(client, lease_s=60)

    def answer(self, job_id: str, *answers: tuple[int, str | None] | tuple[int, ErrorType]) -> None:
        """Land one chunk of outcomes, in this order: a row with its answer's text, or with an error type."""
        meta = self.jobs.meta(job_id)
        given = next(self.jobs.custom_ids(job_id, [0])) if meta.given_ids else None
        landing = Landing([], [], [])
        for row, answer in answers:
            name = given[row] if given is not None else meta.default_id(row)
            landing.rows.append(row)
            if isinstance(answer, ErrorType):
                landing.lines.append(encode_unanswered(row, 1, name, answer, "no answer"))
                landing.counts.append({"errored": 1, f"err.{answer}": 1})
            else:
                line = answer_line(answer)
                verdict = dialect(meta.provider).classify(line, structured=meta.structured)
                landing.lines.append(encode_outcome(row, 1, name, verdict, orjson.dumps(line)))
                kind = {"succeeded": 1} if verdict.error_type is None else {"errored": 1}
                landing.counts.append(kind | token_counts(verdict))
        assert self.jobs.land(job_id, landing) == len(answers)

    def end(self, job_id: str, status: JobStatus = JobStatus.COMPLETED) -> None:
        """Close the job's work and give it a final status."""
        (job,) = [job for job in self.work.lease_jobs(Stage.PLAN, 100) if job.id == job_id]
        assert self.work.plan_done(job)
        (job,) = [job for job in self.work.lease_jobs(Stage.SETTLE, 100) if job.id == job_id]
        assert self.jobs.finish(job_id, status, message="", retention_s=3600)
        assert self.work.close_job(job, retention_s=3600, clean_after_s=None, counts={})

    def complete(self, job_id: str, *answers: tuple[int, str | None] | tuple[int, ErrorType]) -> None:
        """Land everything, then end the job."""
        self.answer(job_id, *answers)
        self.end(job_id)
