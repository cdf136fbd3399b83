"""Batchline, as its README tells: enqueue under an idempotency key, read the results.

Run again, the key leads to the job that is already under way.
"""

from __future__ import annotations

from batchline import BatchClient
from peers.questions import MODEL
from peers.telling import Task


def main() -> None:
    """Enqueue, wait and read."""
    task = Task()
    requests = ([{"role": "user", "content": prompt}] for prompt in task.prompts)
    ids = (str(row) for row in range(len(task.prompts)))
    with BatchClient() as client:
        job = client.enqueue(f"openai/{MODEL}", None, requests, custom_ids=ids, idempotency_key="numbers")
        with task.told() as told:
            for result in job.iter_results():
                if result.success is True:
                    told.answered(int(result.custom_id), result.result)
                else:
                    told.failed(int(result.custom_id), result.error_type)


if __name__ == "__main__":
    main()
