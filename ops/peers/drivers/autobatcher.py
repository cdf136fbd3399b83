"""autobatcher, as "Parallel requests" of its README on PyPI: one awaited call for each request, gathered.

`completion_window="24h"` is what the README names for batches. Polls once a second, not every 5 s; errors are
gathered too, so that one does not hide the other rows.
"""

from __future__ import annotations

import asyncio
import os

from autobatcher import BatchOpenAI

from peers.questions import MODEL
from peers.telling import Task


async def main() -> None:
    """Await all calls."""
    task = Task()
    client = BatchOpenAI(
        api_key=os.environ["OPENAI_API_KEY"],
        base_url=os.environ["OPENAI_BASE_URL"],
        completion_window="24h",
        poll_interval_seconds=1.0,
    )

    async def ask(prompt: str) -> str:
        reply = await client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": prompt}]
        )
        return reply.choices[0].message.content

    replies = await asyncio.gather(*(ask(prompt) for prompt in task.prompts), return_exceptions=True)
    await client.close()
    with task.told() as told:
        for row, reply in enumerate(replies):
            if isinstance(reply, str):
                told.answered(row, reply)
            else:
                told.failed(row, reply)


if __name__ == "__main__":
    asyncio.run(main())
