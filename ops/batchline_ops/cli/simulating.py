"""`batchline simulate`: the simulator with its own options, parsed by its own settings model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_settings import CliApp, CliSettingsSource, SettingsError

from batchline_ops.cli.exit_codes import ExitCode
from batchline_shared.errors import InvalidInputError
from batchline_simulator.config import SimulatorConfig
from batchline_simulator.server import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic_core import ErrorDetails

__all__ = ["parse_simulator_arguments", "simulate"]


def simulate(arguments: Sequence[str], *, default_data_dir: str) -> ExitCode:
    """Serve until Ctrl-C; the ready line is JSON with and without `--json`."""
    run(parse_simulator_arguments(arguments, default_data_dir=default_data_dir))
    return ExitCode.OK


def parse_simulator_arguments(arguments: Sequence[str], *, default_data_dir: str) -> SimulatorConfig:
    """Read the simulator's options.

    Raises:
        InvalidInputError: There is no such option, or a value is wrong.
        SystemExit: Help was asked for, and has been printed.
    """
    given = [argument for argument in arguments if argument != "--json"]
    if not any(argument.split("=", 1)[0] == "--data-dir" for argument in given):
        given += ["--data-dir", default_data_dir]
    source: CliSettingsSource[SimulatorConfig] = CliSettingsSource(
        SimulatorConfig,
        cli_prog_name="batchline simulate",
        cli_kebab_case=True,
        cli_exit_on_error=False,
    )
    try:
        return CliApp.run(SimulatorConfig, cli_args=given, cli_settings_source=source)
    except SettingsError as error:
        raise InvalidInputError(f"{str(error).removeprefix('error parsing CLI: ')}") from None
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        raise InvalidInputError("; ".join(map(_told, problems))) from None


def _told(problem: ErrorDetails) -> str:
    """Name the option, unless the problem is that several of them do not go together."""
    message = problem["msg"].removeprefix("Value error, ")
    option = ".".join(map(str, problem["loc"])).replace("_", "-")
    return f"--{option}: {message}" if option else message
