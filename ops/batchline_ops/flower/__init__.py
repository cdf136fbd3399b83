"""Flower, closed by default, with Batchline's own numbers beside Celery's.

`flowerconfig.py` is read by Flower itself; `python -m batchline_ops.flower` starts Flower with it.
What needs Flower or its dependencies is not imported here: the supervisor only wants the command.
"""

from __future__ import annotations

from batchline_ops.flower.command import FLOWER_CONFIG, flower_command
from batchline_ops.flower.protection import FlowerRefusedError, require_protection

__all__ = ["FLOWER_CONFIG", "FlowerRefusedError", "flower_command", "require_protection"]
