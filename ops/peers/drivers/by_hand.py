"""A script as one writes it by hand with OpenAI's SDK: one file, one batch, one poll a second.

It follows the steps of OpenAI's own guide to its Batch API. It remembers nothing, and reads only the
output file.
"""

from __future__ import annotations

import json
import sys
import time

from openai import OpenAI

from peers.questions import MODEL
from peers.telling import Task


def main() -> None:
    """Upload, create, poll, download."""
    task = Task()
    url = "/v1/chat/completions"
    bodies = [{"model": MODEL, "messages": [{"role": "user", "content": prompt}]} for prompt in task.prompts]
    lines = [
        json.dumps({"custom_id": str(row), "method": "POST", "url": url, "body": body})
        for row, body in enumerate(bodies)
    ]
    client = OpenAI()
    file = client.files.create(file=("batch.jsonl", "\n".join(lines).encode()), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint=url, completion_window="24h")
    while batch.status not in {"completed", "failed", "expired", "cancelled"}:
        time.sleep(1)
        batch = client.batches.retrieve(batch.id)
    if batch.output_file_id is None:
        sys.exit(f"the batch ended as {batch.status}: {batch.errors}")
    results = [json.loads(line) for line in client.files.content(batch.output_file_id).text.splitlines()]
    with task.told() as told:
        for result in results:
            message = result["response"]["body"]["choices"][0]["message"]
            told.answered(int(result["custom_id"]), message["content"])


if __name__ == "__main__":
    main()
