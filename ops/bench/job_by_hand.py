"""Run the same job by a script as one writes it with the OpenAI SDK; prints its process's cost.

    python job_by_hand.py MODEL ROWS FOLDER POLL_S

Nothing in it is slow on purpose, and nothing is left out that a script needs:
one schema for all rows, one file, one batch, one poll a second, every answer
validated. It does not survive a crash, and sees no row that failed.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from metering import own_cpu_s, own_peak_bytes
from openai import OpenAI
from openai.lib._pydantic import to_strict_json_schema
from workload import MODEL, MODELS, conversations


def _write_requests(path: Path, shape: str, rows: int) -> None:
    model = MODELS[shape]
    schema = {"name": model.__name__, "strict": True, "schema": to_strict_json_schema(model)}
    with path.open("w", encoding="utf-8") as target:
        for row, messages in enumerate(conversations(rows)):
            body = {
                "model": MODEL,
                "messages": messages,
                "max_tokens": 1000,
                "temperature": 0.1,
                "response_format": {"type": "json_schema", "json_schema": schema},
            }
            line = {
                "custom_id": f"request-{row}",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": body,
            }
            target.write(json.dumps(line) + "\n")


def _run(client: OpenAI, path: Path, poll_s: float) -> str:
    with path.open("rb") as source:
        file = client.files.create(file=source, purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    while batch.status not in ("completed", "failed", "expired", "cancelled"):
        time.sleep(poll_s)
        batch = client.batches.retrieve(batch.id)
    if batch.output_file_id is None:
        sys.exit(f"the batch ended as {batch.status}")
    return client.files.content(batch.output_file_id).text


def main() -> None:
    """Build, submit, poll, download and validate."""
    shape, rows, folder, poll_s = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4])
    path = folder / "by-hand.jsonl"
    _write_requests(path, shape, rows)
    content = _run(OpenAI(), path, poll_s)
    results = {}
    for line in content.splitlines():
        row = json.loads(line)
        answer = json.loads(row["response"]["body"]["choices"][0]["message"]["content"])
        results[row["custom_id"]] = MODELS[shape].model_validate(answer)
    if len(results) != rows:
        sys.exit(f"by hand: {len(results)} good rows of {rows}")
    print(json.dumps({"cpu_s": own_cpu_s(), "peak_bytes": own_peak_bytes()}))


if __name__ == "__main__":
    main()
