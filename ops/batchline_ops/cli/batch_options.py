"""Options that several commands of `batchline batch …` take, or whose help is long."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = [
    "After",
    "CursorFile",
    "DryRun",
    "Endpoint",
    "Follow",
    "Force",
    "IdempotencyKey",
    "JobId",
    "MaxCost",
    "Metadata",
    "Model",
    "ModelFilter",
    "Reask",
    "ResponseModel",
    "RetentionS",
    "Wait",
]

JobId = Annotated[str, typer.Argument(metavar="JOB_ID", help="As submit printed it.")]
Model = Annotated[
    str, typer.Option("--model", "-m", metavar="PROVIDER/NAME", help="Such as openai/gpt-4.1-mini.")
]
ModelFilter = Annotated[
    str | None, typer.Option("--model", "-m", metavar="PROVIDER/NAME", help="Only jobs of this model.")
]
Metadata = Annotated[
    list[str] | None, typer.Option("--metadata", metavar="KEY=VALUE", help="Kept with the job. Repeatable.")
]
IdempotencyKey = Annotated[
    str | None, typer.Option("--idempotency-key", metavar="KEY", help="The same key gives the same job.")
]
MaxCost = Annotated[
    float | None,
    typer.Option(
        "--max-cost",
        metavar="USD",
        help="Refuse what costs more by its input alone; hold what has cost as much.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell what it would cost, and enqueue nothing.")]
Wait = Annotated[bool, typer.Option("--wait", help="Follow the job until it has ended, as watch does.")]
Endpoint = Annotated[
    str | None,
    typer.Option(
        "--endpoint",
        metavar="PATH",
        help="The provider's path of one request, such as /v1/responses or /v1/embeddings. "
        "Without: its usual one.",
    ),
]
ResponseModel = Annotated[
    str | None,
    typer.Option(
        "--response-model",
        metavar="MODULE:CLASS",
        help="Pydantic model of the answers, importable from here. Without one: text.",
    ),
]
Follow = Annotated[
    bool, typer.Option("--follow", help="Write outcomes as they land, until the job has ended.")
]
After = Annotated[
    str | None,
    typer.Option(metavar="CURSOR", help="With --follow: go on behind it; an earlier run printed it."),
]
CursorFile = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="With --follow: keeps the cursor; started again, it goes on where it was."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Cancel a job that runs, and wait for its end first.")]
JobPriority = Annotated[
    str,
    typer.Option(
        "--priority", metavar="LEVEL", help="low, normal or high: who goes first where jobs wait for room."
    ),
]

MaxAttempts = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=100,
        help="How often a request is sent at most, while the provider fails to run it.",
        show_default="as the settings say",
    ),
]
Reask = Annotated[
    int,
    typer.Option(
        min=0,
        max=10,
        help="How often an answer that breaks the response model's schema is sent back to be corrected.",
    ),
]
RetentionS = Annotated[
    int | None,
    typer.Option(min=0, help="Seconds to keep the job once it has ended; 0: until it is deleted."),
]
