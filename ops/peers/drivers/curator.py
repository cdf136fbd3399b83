"""Curator, as "Using `curator.LLM` for data generation" and "Batch Mode" of its README on PyPI.

Polls once a second, not once a minute. Telemetry is off. Curator uploads a file without a name, which OpenAI
refuses by now ("Must be .jsonl"), and so does the simulator; the file is given one here, so that there is
anything to measure.
"""

from __future__ import annotations

import os
from typing import Any

from bespokelabs import curator
from openai.resources.files import AsyncFiles

from peers.questions import MODEL
from peers.telling import Task

_create = AsyncFiles.create


async def _create_named(files: AsyncFiles, *, file: bytes, **fields: Any) -> Any:
    """Upload under a name."""
    return await _create(files, file=("batch.jsonl", file), **fields)


class Numbers(curator.LLM):
    """Asks each prompt, and keeps its row with the answer."""

    def prompt(self, row: dict) -> str:
        """What is asked."""
        return row["prompt"]

    def parse(self, row: dict, response: str) -> dict:
        """What becomes of the answer."""
        return {"row": row["row"], "answer": response}


def main() -> None:
    """Run over the rows, and read the dataset."""
    AsyncFiles.create = _create_named
    task = Task()
    llm = Numbers(
        model_name=MODEL,
        backend="openai",
        batch=True,
        backend_params={"base_url": os.environ["OPENAI_BASE_URL"], "batch_check_interval": 1},
    )
    rows = [{"row": row, "prompt": prompt} for row, prompt in enumerate(task.prompts)]
    found = llm(rows)
    with task.told() as told:
        for one in found.dataset if hasattr(found, "dataset") else found:
            told.answered(one["row"], one["answer"])


if __name__ == "__main__":
    main()
