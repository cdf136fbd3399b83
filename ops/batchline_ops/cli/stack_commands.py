"""`batchline up`, `demo`, `simulate` and `doctor`: what each takes. What it does is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from batchline_ops.cli.exit_codes import ExitCode
from batchline_ops.cli.session import JsonFlag, needs_extra, require_parts, session_of
from batchline_shared.errors import InvalidInputError

__all__ = ["demo_command", "doctor_command", "simulate_command", "up_command"]

# ruff: noqa: PLC0415 - what a command needs is imported by that command alone, so that help is quick

_WORKER_PARTS: Final = ("structlog", "openai")
"""What a worker process imports beyond the client's own packages."""

_SIMULATOR_HOME: Final = ".batchline/simulator"
"""The simulator's folder where `--data-dir` names none; that of `up`."""


def up_command(
    context: typer.Context,
    workers: Annotated[int, typer.Option(min=0, max=64, help="Worker processes.")] = 1,
    simulator: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option("--simulator", help="Run the provider simulator too, and use it. Costs nothing.")
    ] = False,
    flower: Annotated[bool, typer.Option("--flower/--no-flower", help="Run Flower, the dashboard.")] = True,  # noqa: FBT002
    data_dir: Annotated[Path, typer.Option(help="Holds the jobs and all logs. One stack at a time.")] = Path(
        ".batchline"
    ),
    as_json: JsonFlag = False,  # noqa: FBT002 - as above
) -> ExitCode:
    """Run everything on this machine until Ctrl-C: Redis, workers, beat and Flower.

    With --redis-url, the ledger is that one, and no server is started.
    With --json, prints {"ready", "redis_url", "broker_url", "flower_url", "simulator_url", "pids"} once
    everything answers.
    """
    session = session_of(context)
    parts = {"uvicorn": simulator, "flower": flower}
    require_parts("all", *_WORKER_PARTS, *(name for name, wanted in parts.items() if wanted))
    if session.redis_url is not None:
        # Asked once here, for a clear answer; workers would only say it in their logs.
        from batchline_shared.ledger import open_ledger

        open_ledger(session.redis_url).close()
    with needs_extra("all"):
        from batchline_ops.supervisor import UpOptions, up
    options = UpOptions(
        data_dir=data_dir,
        workers=workers,
        simulator=simulator,
        flower=flower,
        redis_url=session.redis_url,
        as_json=as_json or session.as_json,
    )
    up(options)
    return ExitCode.OK


def demo_command(
    context: typer.Context,
    provider: Annotated[
        str, typer.Option(help="openai, anthropic, google or gemini, as the simulator plays them.")
    ] = "openai",
    requests: Annotated[int | None, typer.Option(min=1, help="How many; without it, 1,200.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes.")] = 2,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running afterwards.")] = False,  # noqa: FBT002
    as_json: JsonFlag = False,  # noqa: FBT002 - a flag of the command line
) -> int:
    """Run a real job on this machine, with the provider simulator, and show what came of it."""
    session = session_of(context)
    require_parts("all", *_WORKER_PARTS, "uvicorn", "flower")
    with needs_extra("all"):
        from batchline_ops.demo import DemoOptions, run_demo

        return run_demo(
            DemoOptions(
                provider=provider,
                requests=requests,
                workers=workers,
                keep=keep,
                as_json=as_json or session.as_json,
            )
        )


def simulate_command(context: typer.Context) -> ExitCode:
    """Run the provider simulator: a batch API that costs nothing. Prints one JSON line once it answers."""
    with needs_extra("simulator"):
        from batchline_ops.cli.simulating import simulate
    return simulate(context.args, default_data_dir=_SIMULATOR_HOME)


def doctor_command(
    context: typer.Context,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for workers to answer.")] = 2.0,
    audit: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option("--audit", help="Pair the providers' batches with the ledger instead, now.")
    ] = False,
    cancel_orphans: Annotated[  # noqa: FBT002 - as above
        bool,
        typer.Option("--cancel-orphans", help="With --audit: cancel batches of this ledger without a shard."),
    ] = False,
    as_json: JsonFlag = False,  # noqa: FBT002 - as above
) -> ExitCode:
    """Check Redis, the broker, workers, keys and versions, and say what to do. Exit code 12 on a failure."""
    session = session_of(context)
    as_json = as_json or session.as_json
    if cancel_orphans and not audit:
        raise InvalidInputError("--cancel-orphans goes with --audit")
    if audit:
        require_parts("worker", *_WORKER_PARTS)
        from batchline_ops.cli.doctor.auditing import audit_accounts

        return audit_accounts(session.redis_url, cancel_orphans=cancel_orphans, as_json=as_json)
    from batchline_ops.cli.doctor import examine

    return examine(session.redis_url, worker_timeout_s=timeout, as_json=as_json)
