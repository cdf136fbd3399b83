"""A provider that costs nothing: LLM batch APIs as a real HTTP server.

It knows nothing of the code that it tests, so that it can be its witness.
"""

from batchline_simulator.config import SimulatorConfig
from batchline_simulator.process import SimulatorProcess, running_simulator

__all__ = ["SimulatorConfig", "SimulatorProcess", "running_simulator"]
