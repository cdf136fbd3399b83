"""steadybatch, as "Quick start" of its README on PyPI: a `Runner` with a checkpoint file.

"Run the same script again after a crash and it carries on from `job.sqlite`." Polls once a second, not
every 30 s.
"""

from __future__ import annotations

from steadybatch import Request, Runner
from steadybatch.providers.openai_batch import OpenAIBatch

from peers.questions import MODEL
from peers.telling import Task


def main() -> None:
    """Run, and read the report."""
    task = Task()
    requests = [
        Request(key=str(row), messages=[{"role": "user", "content": prompt}])
        for row, prompt in enumerate(task.prompts)
    ]
    runner = Runner(OpenAIBatch(), MODEL, checkpoint="job.sqlite", poll_every=1)
    report = runner.run(requests)
    with task.told() as told:
        for result in report.results:
            if result.outcome.value == "ok":
                told.answered(int(result.key), result.text)
            else:
                told.failed(int(result.key), f"{result.outcome.value}: {result.error}")


if __name__ == "__main__":
    main()
