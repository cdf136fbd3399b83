"""The command that starts Flower with our configuration."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["FLOWER_CONFIG", "flower_command"]

FLOWER_CONFIG = Path(__file__).with_name("flowerconfig.py")
"""What `celery … flower --conf=` gets."""


def flower_command(app: str = "batchline_worker.app") -> tuple[str, ...]:
    """Flower on a Celery application; add `--address`, `--port` or any other option of Flower's."""
    return (sys.executable, "-m", "celery", "-A", app, "flower", f"--conf={FLOWER_CONFIG}")
