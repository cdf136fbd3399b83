"""`batchline batch adopt`: what it takes."""

from __future__ import annotations

from typing import Annotated

import typer

from batchline_ops.cli.batch_options import (  # noqa: TC001 - as below
    Endpoint,
    Metadata,
    Model,
    ResponseModel,
    RetentionS,
    Wait,
)
from batchline_ops.cli.exit_codes import ExitCode  # noqa: TC001 - Typer resolves the annotations
from batchline_ops.cli.session import JsonFlag, session_of

__all__ = ["adopt_command"]


def adopt_command(
    context: typer.Context,
    model: Model,
    batch_id: Annotated[
        str,
        typer.Option(
            "--batch-id",
            "-b",
            metavar="ID",
            help="The provider's id; for Vertex AI the job's full name, for Gemini batches/….",
        ),
    ],
    response_model: ResponseModel = None,
    endpoint: Endpoint = None,
    metadata: Metadata = None,
    retention_s: RetentionS = None,
    wait: Wait = False,  # noqa: FBT002 - a flag of the command line
    as_json: JsonFlag = False,  # noqa: FBT002 - as above
) -> ExitCode:
    """Take over a batch that a script made; it is never sent again. Prints the job's id."""
    from batchline_ops.cli.submitting import adopt_batch  # noqa: PLC0415 - as in batch_app

    session = session_of(context)
    with session.client() as client:
        return adopt_batch(
            client,
            model,
            batch_id,
            response_model=response_model,
            endpoint=endpoint,
            metadata=metadata or (),
            retention_s=retention_s,
            wait=wait,
            as_json=as_json or session.as_json,
        )
