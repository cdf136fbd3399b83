"""Options that several commands of `batchline batch …` take, or whose help is long."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from batchline_ops.cli.durations import seconds

__all__ = [
    "After",
    "CursorFile",
    "Deadline",
    "Deduplicate",
    "DryRun",
    "Endpoint",
    "Follow",
    "Force",
    "IdempotencyKey",
    "JobId",
    "Linger",
    "MaxCost",
    "Metadata",
    "Model",
    "ModelFilter",
    "OnComplete",
    "OnDeadline",
    "PromptCacheTtl",
    "Reask",
    "ResponseModel",
    "RetentionS",
    "Wait",
    "WebhookName",
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
Deduplicate = Annotated[
    bool, typer.Option("--deduplicate", help="Send equal requests once; each still gets its outcome.")
]
PromptCacheTtl = Annotated[
    Literal["5m", "1h"] | None,
    typer.Option("--prompt-cache", help="How long Anthropic keeps the prompt that the requests share."),
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
OnComplete = Annotated[
    str | None,
    typer.Option(
        "--on-complete",
        metavar="TASK[@QUEUE]",
        help="Celery task of your own app that is sent the job's id once it has ended.",
    ),
]
WebhookName = Annotated[
    str | None,
    typer.Option(
        "--webhook", metavar="NAME", help="Endpoint of the workers' settings that is told once it has ended."
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
Linger = Annotated[
    float | None,
    typer.Option(
        parser=seconds,
        metavar="DURATION",
        help="Wait so long (30s, 5m, 1h) for requests of other jobs to share a batch with; 0: share none.",
        show_default="as the settings say",
    ),
]
Deadline = Annotated[
    str | None,
    typer.Option(
        "--deadline",
        metavar="TIME",
        help="Until when requests may be run in batches: 90m, 6h, 2d, or a moment with its time zone. "
        "Then the job ends with what is done.",
    ),
]
OnDeadline = Annotated[
    Literal["cancel", "live"],
    typer.Option(
        "--on-deadline",
        help="What becomes of the rest: cancel ends it as expired, live asks it one by one at full price.",
    ),
]
