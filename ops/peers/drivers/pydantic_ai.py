"""Pydantic AI, as the docstring of `BatchModelRequests` tells, which its guide "Batch processing" is about.

One agent, many runs. Polls once a second, not every 30 s to 10 min; waits 2 s for further requests, not 30.
Errors are gathered too, so that one does not hide the other rows.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from pydantic_ai import Agent
from pydantic_ai.capabilities import BatchModelRequests

from peers.questions import MODEL
from peers.telling import Task

SECOND = timedelta(seconds=1)


async def main() -> None:
    """Run the agent once for each prompt."""
    task = Task()
    batching = BatchModelRequests(max_wait=2 * SECOND, poll_interval=SECOND, max_poll_interval=SECOND)
    agent = Agent(f"openai:{MODEL}", capabilities=[batching])
    async with batching:
        runs = (agent.run(prompt) for prompt in task.prompts)
        results = await asyncio.gather(*runs, return_exceptions=True)
    with task.told() as told:
        for row, result in enumerate(results):
            if isinstance(result, BaseException):
                told.failed(row, repr(result))
            else:
                told.answered(row, result.output)


if __name__ == "__main__":
    asyncio.run(main())
