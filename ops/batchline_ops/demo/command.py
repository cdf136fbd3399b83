"""The demo's entry point, light to import."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchline_ops.demo.options import DemoOptions

__all__ = ["run_demo"]


def run_demo(options: DemoOptions) -> int:
    """Run the main job for real: server, workers, beat, Flower and simulator as processes. Main thread only.

    Args:
        options: What to run, and how to print it.

    Returns:
        Exit code: 0 if every request has exactly one outcome; 1 if not; 130 if it was interrupted.

    Raises:
        BatchlineError, OSError: The options cannot be used, or something failed on the way.
    """
    from batchline_ops.demo.session import run_session  # noqa: PLC0415 - the simulator imports this package

    return run_session(options)
