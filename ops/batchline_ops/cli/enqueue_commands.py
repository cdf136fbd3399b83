"""`batchline batch submit` and `create-from-file`: what they take. What they do is in `submitting`."""

from __future__ import annotations

from typing import Annotated

import typer

from batchline_ops.cli.batch_options import (  # noqa: TC001 - Typer resolves the annotations
    Deadline,
    Deduplicate,
    DryRun,
    Endpoint,
    IdempotencyKey,
    JobPriority,
    Linger,
    MaxAttempts,
    MaxCost,
    Metadata,
    Model,
    OnComplete,
    OnDeadline,
    PromptCacheTtl,
    Reask,
    ResponseModel,
    RetentionS,
    Wait,
    WebhookName,
)
from batchline_ops.cli.exit_codes import ExitCode  # noqa: TC001 - as above
from batchline_ops.cli.session import JsonFlag, session_of

__all__ = ["create_from_file_command", "submit_command"]

# ruff: noqa: PLC0415 - what a command needs is imported by that command alone, so that help is quick


def create_from_file_command(
    context: typer.Context,
    file_path: Annotated[
        str, typer.Option("--file-path", "-f", metavar="FILE", help="JSONL in the provider's batch format.")
    ],
    model: Model,
    endpoint: Endpoint = None,
    metadata: Metadata = None,
    idempotency_key: IdempotencyKey = None,
    retention_s: RetentionS = None,
    linger: Linger = None,
    max_attempts: MaxAttempts = None,
    priority: JobPriority = "normal",
    deadline: Deadline = None,
    on_deadline: OnDeadline = "cancel",
    max_cost: MaxCost = None,
    deduplicate: Deduplicate = False,  # noqa: FBT002 - a flag of the command line
    on_complete: OnComplete = None,
    webhook: WebhookName = None,
    dry_run: DryRun = False,  # noqa: FBT002 - a flag of the command line
    wait: Wait = False,  # noqa: FBT002 - a flag of the command line
    as_json: JsonFlag = False,  # noqa: FBT002 - as above
) -> ExitCode:
    """Submit a batch file, one provider request a line. Prints the job's id."""
    from batchline_ops.cli.submitting import create_from_file

    session = session_of(context)
    with session.client() as client:
        return create_from_file(
            client,
            file_path,
            model,
            endpoint=endpoint,
            metadata=metadata or (),
            idempotency_key=idempotency_key,
            retention_s=retention_s,
            linger_s=linger,
            max_attempts=max_attempts,
            priority=priority,
            deadline=deadline,
            on_deadline=on_deadline,
            max_cost_usd=max_cost,
            deduplicate=deduplicate,
            on_complete=on_complete,
            webhook=webhook,
            dry_run=dry_run,
            wait=wait,
            as_json=as_json or session.as_json,
        )


def submit_command(
    context: typer.Context,
    model: Model,
    source: Annotated[
        str, typer.Argument(metavar="FILE", help="JSONL; without it, or with -, stdin is read.")
    ] = "-",
    response_model: ResponseModel = None,
    endpoint: Endpoint = None,
    max_tokens: Annotated[int | None, typer.Option(help="Most tokens to generate per request.")] = 1000,
    temperature: Annotated[float | None, typer.Option(help="Sampling temperature.")] = 0.1,
    metadata: Metadata = None,
    idempotency_key: IdempotencyKey = None,
    retention_s: RetentionS = None,
    linger: Linger = None,
    max_attempts: MaxAttempts = None,
    priority: JobPriority = "normal",
    deadline: Deadline = None,
    on_deadline: OnDeadline = "cancel",
    reask: Reask = 0,
    max_cost: MaxCost = None,
    deduplicate: Deduplicate = False,  # noqa: FBT002 - a flag of the command line
    prompt_cache: PromptCacheTtl = None,
    on_complete: OnComplete = None,
    webhook: WebhookName = None,
    dry_run: DryRun = False,  # noqa: FBT002 - a flag of the command line
    wait: Wait = False,  # noqa: FBT002 - a flag of the command line
    as_json: JsonFlag = False,  # noqa: FBT002 - as above
) -> ExitCode:
    """Submit conversations, one a line: a list of messages, or an object. Prints the job's id.

    An object has "messages" and may have "custom_id", "max_tokens", "temperature" and "options".
    For embeddings, a line is a text, a list of texts, or an object with "input".
    """
    from batchline_ops.cli.submitting import submit_requests

    session = session_of(context)
    with session.client() as client:
        return submit_requests(
            client,
            source,
            model,
            response_model=response_model,
            endpoint=endpoint,
            max_tokens=max_tokens,
            temperature=temperature,
            metadata=metadata or (),
            idempotency_key=idempotency_key,
            retention_s=retention_s,
            linger_s=linger,
            max_attempts=max_attempts,
            priority=priority,
            deadline=deadline,
            on_deadline=on_deadline,
            reask=reask,
            max_cost_usd=max_cost,
            deduplicate=deduplicate,
            prompt_cache=prompt_cache,
            on_complete=on_complete,
            webhook=webhook,
            dry_run=dry_run,
            wait=wait,
            as_json=as_json or session.as_json,
        )
