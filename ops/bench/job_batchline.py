"""Run one job through Batchline, as application code does; prints its process's cost.

    python job_batchline.py MODEL ROWS

Redis' address comes from the environment, as it does for any client.
"""

from __future__ import annotations

import json
import sys

from metering import own_cpu_s, own_peak_bytes
from workload import MODEL, MODELS, conversations

from batchline import BatchClient


def main() -> None:
    """Enqueue, wait and read every result."""
    shape, rows = sys.argv[1], int(sys.argv[2])
    with BatchClient() as client:
        job = client.enqueue(f"openai/{MODEL}", MODELS[shape], conversations(rows))
        good = sum(result.success for result in job.iter_results(timeout_s=300))
    if good != rows:
        sys.exit(f"Batchline: {good} good rows of {rows}")
    print(json.dumps({"cpu_s": own_cpu_s(), "peak_bytes": own_peak_bytes()}))


if __name__ == "__main__":
    main()
