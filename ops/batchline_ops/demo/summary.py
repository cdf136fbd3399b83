"""The demo's result as data: what `--json` prints, and what the tables are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from batchline_shared import pricing

if TYPE_CHECKING:
    from pathlib import Path

    from batchline_ops.demo.exactly_once import Verdict
    from batchline_ops.demo.tally import Tally
    from batchline_ops.supervisor import StackState

__all__ = ["DemoSummary", "Durations", "Tokens", "summarize"]


class Tokens(BaseModel):
    """Tokens that the provider counted, over all requests."""

    model_config = ConfigDict(frozen=True)

    input: int
    output: int


class Durations(BaseModel):
    """Where the time went, in seconds."""

    model_config = ConfigDict(frozen=True)

    start_s: float
    """Until every process answered."""
    enqueue_s: float
    """Until `enqueue` returned: from then on the job survives any crash."""
    job_s: float
    """From the first request enqueued to the last outcome read."""


class DemoSummary(BaseModel):
    """One run. A field is never renamed; programs read this."""

    model_config = ConfigDict(frozen=True)

    requests: int
    succeeded: int
    errored: int
    errors: dict[str, int]
    """Error type → requests."""
    exactly_once: bool
    """Every request has one outcome, and every part of the job was one batch at the provider."""
    problems: list[str]
    """What is not so, in words. Empty in a good run."""
    parts: int
    """Into how many shards the job was cut."""
    batches: int
    """How many batches the provider accepted."""
    tokens: Tokens
    cost_usd: pricing.Usd | None
    """At the model's batch price; None where the model's prices are unknown."""
    standard_cost_usd: pricing.Usd | None
    """The same without a batch."""
    cost_basis: str
    """`listed`, `estimated` (half of the standard price) or `unknown`."""
    agreement: dict[str, float]
    """Field → percent of the successes whose answer is the known truth."""
    elapsed_s: float
    durations: Durations
    requests_per_s: float
    """Over `durations.job_s`."""
    model: str
    job_id: str
    flower_url: str | None
    redis_url: str
    simulator_url: str | None
    data_dir: str
    kept: bool = Field(description="Whether the stack goes on running and `data_dir` stays.")


def summarize(
    tally: Tally,
    verdict: Verdict,
    durations: Durations,
    state: StackState,
    *,
    model: str,
    job_id: str,
    data_dir: Path,
    kept: bool,
) -> DemoSummary:
    """Put together what a run has shown."""
    spent = pricing.Tokens(len(tally.truth), tally.input_tokens, tally.cached_tokens, tally.output_tokens)
    card = pricing.rate_card(model, pricing.price_list_of(model))
    cost = pricing.price(card, pricing.Spent(spent))
    return DemoSummary(
        requests=len(tally.truth),
        succeeded=tally.succeeded,
        errored=tally.errored,
        errors=dict(tally.errors.most_common()),
        exactly_once=verdict.exactly_once,
        problems=list(verdict.problems),
        parts=verdict.shards,
        batches=verdict.batches,
        tokens=Tokens(input=tally.input_tokens, output=tally.output_tokens),
        cost_usd=cost.batch_usd,
        standard_cost_usd=cost.standard_usd,
        cost_basis=cost.basis,
        agreement=tally.agreement(),
        elapsed_s=round(durations.start_s + durations.job_s, 2),
        durations=durations,
        requests_per_s=round(verdict.outcomes / durations.job_s, 1) if durations.job_s else 0.0,
        model=model,
        job_id=job_id,
        flower_url=state.flower_url,
        redis_url=state.redis_url,
        simulator_url=state.simulator_url,
        data_dir=str(data_dir),
        kept=kept,
    )
