"""`import batchline` is what every web process pays: no SDK, no Celery, no terminal."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = ("openai", "anthropic", "google.genai", "celery", "kombu", "starlette", "typer", "rich", "httpx")


def loaded_by(statement: str) -> set[str]:
    """The heavy modules that a fresh interpreter has after a statement."""
    code = f"import sys, json; {statement}; print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    reply = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    return set(json.loads(reply.stdout))


def test_importing_the_client_loads_nothing_heavy() -> None:
    assert loaded_by("import batchline, batchline.batch") == set()


def test_building_a_batch_file_loads_nothing_heavy_either() -> None:
    build = (
        "import batchline, pydantic; M = pydantic.create_model('M', name=(str, ...)); "
        "p = batchline.BatchProcessor('openai/gpt-4o-mini', M); "
        "p.create_batch_from_messages([[{'role': 'user', 'content': 'hi'}]])"
    )

    assert loaded_by(build) == set()
