"""The main job run for real on one machine, with known truth to hold the answers against.

Only names that are light to import are here: the simulator loads `demo.responder`
by name, and must not load the client and the supervisor with it.
"""

from __future__ import annotations

from batchline_ops.demo.command import run_demo
from batchline_ops.demo.options import DemoOptions

__all__ = ["DemoOptions", "run_demo"]
