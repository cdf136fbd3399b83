"""`python -m batchline_simulator`: serve until stopped."""

from pydantic_settings import CliApp

from batchline_simulator.config import SimulatorConfig
from batchline_simulator.server import run

if __name__ == "__main__":
    run(CliApp.run(SimulatorConfig))
