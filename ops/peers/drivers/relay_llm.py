"""relay, as "Quickstart" of its README on PyPI: submit, wait, download.

`wait_and_download` of the Quickstart never returns for a batch that was run, or that failed: it waits for a
final status, which only the download sets. So its two halves are called here, the second one as soon as the
first says DOWNLOADING. The model is named with each request: of the one in `BatchConfig` nothing is sent, but
"gpt-4o".
"""

from __future__ import annotations

import asyncio

from relay import BatchClient, BatchConfig, BatchRequest
from relay.models import JobStatus

from peers.questions import MODEL
from peers.telling import Task


async def main() -> None:
    """Submit, wait and download."""
    task = Task()
    # A dict: the README's `Message(...)` is refused by the database, which cannot write it as JSON.
    requests = [
        BatchRequest(id=f"req-{row}", model=MODEL, messages=[{"role": "user", "content": prompt}])
        for row, prompt in enumerate(task.prompts)
    ]
    async with BatchClient() as client:
        job = await client.submit(requests, BatchConfig(provider="openai", model=MODEL))
        async for progress in client.wait(job.id, poll_interval=1.0):
            if progress.status.is_terminal or progress.status is JobStatus.DOWNLOADING:
                break
        results = await client.download(job.id)
    with task.told() as told:
        for result in results:
            row = int(result.request_id.rpartition("-")[2])
            if result.error is None:
                told.answered(row, result.content)
            else:
                told.failed(row, f"{result.error.code}: {result.error.message}")


if __name__ == "__main__":
    asyncio.run(main())
