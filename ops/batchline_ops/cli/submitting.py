"""What the commands that put jobs on the queue do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchline.files import enqueue_file, estimate_file
from batchline.policy import RetryPolicy
from batchline_ops.cli.costing import show_estimate
from batchline_ops.cli.deadlines import parse_deadline
from batchline_ops.cli.exit_codes import ExitCode
from batchline_ops.cli.job_views import job_json
from batchline_ops.cli.jobs import follow
from batchline_ops.cli.output import counted, note, print_json, print_line
from batchline_ops.cli.request_lines import RequestLines, opened
from batchline_ops.cli.response_models import load_response_model
from batchline_shared.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchline.client import BatchClient
    from batchline.deadline import Action
    from batchline.job import Job
    from batchline.prompt_cache import PromptCache

__all__ = ["adopt_batch", "create_from_file", "parse_metadata", "submit_requests"]


def create_from_file(
    client: BatchClient,
    file_path: str,
    model: str,
    *,
    endpoint: str | None,
    metadata: Sequence[str],
    idempotency_key: str | None,
    retention_s: int | None,
    linger_s: float | None,
    max_attempts: int | None,
    priority: str,
    deadline: str | None,
    on_deadline: Action,
    max_cost_usd: float | None,
    deduplicate: bool,
    on_complete: str | None,
    webhook: str | None,
    dry_run: bool,
    wait: bool,
    as_json: bool,
) -> ExitCode:
    """Enqueue a batch file of the provider's own form."""
    if dry_run:
        estimate = estimate_file(
            client.connection.settings, model, file_path, endpoint=endpoint or "", deduplicate=deduplicate
        )
        return show_estimate(estimate, as_json=as_json)
    job_id = enqueue_file(
        client.connection,
        model,
        file_path,
        metadata=parse_metadata(metadata),
        idempotency_key=idempotency_key,
        retention_s=retention_s,
        linger_s=linger_s,
        retry=RetryPolicy.default(client.connection.settings, max_attempts=max_attempts),
        priority=priority,
        deadline=parse_deadline(deadline),
        on_deadline=on_deadline,
        endpoint=endpoint or "",
        max_cost_usd=max_cost_usd,
        deduplicate=deduplicate,
        on_complete=on_complete,
        webhook=webhook,
    )
    return _announce(client.job(job_id), wait=wait, as_json=as_json)


def submit_requests(
    client: BatchClient,
    source: str,
    model: str,
    *,
    response_model: str | None,
    endpoint: str | None,
    max_tokens: int | None,
    temperature: float | None,
    metadata: Sequence[str],
    idempotency_key: str | None,
    retention_s: int | None,
    linger_s: float | None,
    max_attempts: int | None,
    priority: str,
    deadline: str | None,
    on_deadline: Action,
    reask: int,
    max_cost_usd: float | None,
    deduplicate: bool,
    prompt_cache: PromptCache | None,
    on_complete: str | None,
    webhook: str | None,
    dry_run: bool,
    wait: bool,
    as_json: bool,
) -> ExitCode:
    """Enqueue conversations from a file or stdin."""
    answer = load_response_model(response_model) if response_model is not None else None
    notes = parse_metadata(metadata)
    with opened(source) as stream:
        lines = RequestLines(stream)
        with lines.naming_lines():
            if dry_run:
                estimate = client.estimate(
                    model,
                    answer,
                    lines,
                    max_tokens=max_tokens,
                    temperature=temperature,
                    endpoint=endpoint,
                    deduplicate=deduplicate,
                )
                return show_estimate(estimate, as_json=as_json)
            job = client.enqueue(
                model,
                answer,
                lines,
                max_tokens=max_tokens,
                temperature=temperature,
                metadata=notes,
                idempotency_key=idempotency_key,
                retention_s=retention_s,
                linger_s=linger_s,
                retry=RetryPolicy.default(client.connection.settings, max_attempts=max_attempts),
                priority=priority,
                deadline=parse_deadline(deadline),
                on_deadline=on_deadline,
                reask=reask,
                max_cost_usd=max_cost_usd,
                deduplicate=deduplicate,
                prompt_cache=prompt_cache,
                on_complete=on_complete,
                webhook=webhook,
                endpoint=endpoint,
            )
    return _announce(job, wait=wait, as_json=as_json)


def adopt_batch(
    client: BatchClient,
    model: str,
    batch_id: str,
    *,
    response_model: str | None,
    endpoint: str | None,
    metadata: Sequence[str],
    retention_s: int | None,
    wait: bool,
    as_json: bool,
) -> ExitCode:
    """Take over a batch that was made elsewhere."""
    answer = load_response_model(response_model) if response_model is not None else None
    job: Job[Any] = client.adopt(
        model,
        answer,
        batch_id,
        metadata=parse_metadata(metadata),
        endpoint=endpoint,
        retention_s=retention_s,
    )
    return _announce(job, wait=wait, as_json=as_json)


def parse_metadata(pairs: Sequence[str]) -> dict[str, str]:
    """Read `key=value` pairs; values stay text.

    Raises:
        InvalidInputError: One is not of that form, or a key comes twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InvalidInputError(f"--metadata must be key=value, not {pair!r}")
        if key in found:
            raise InvalidInputError(f"--metadata gives {key!r} twice")
        found[key] = value
    return found


def _announce(job: Job[Any], *, wait: bool, as_json: bool) -> ExitCode:
    """Print the job's id alone, so that a script can keep it; JSON: the job object, at the end."""
    if as_json and not wait:
        print_json(job_json(job.info()))
    elif not as_json:
        print_line(job.id)
    if wait:
        return follow(job, timeout_s=None, as_json=as_json)
    if not as_json:
        info = job.info()
        what = counted(info.total, "request") if info.total else "A batch"
        note(
            f"{what} for {info.model} on the queue. Follow with: batchline batch watch {job.id}",
            style="dim",
        )
    return ExitCode.OK
