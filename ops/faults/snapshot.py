"""Reads the final state, once: the simulator's books and the ledger's."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import unquote

from batchline_shared.ledger import JobStore, WorkQueue, overview
from faults.history import Act, JobEnd, Read, SeenBatch, Shard
from faults.trade import PROVIDERS, mark_of, provider_of_call
from faults.watch import leftovers

if TYPE_CHECKING:
    from batchline_simulator.process import SimulatorProcess
    from faults.history import History
    from faults.rig import Rig

__all__ = ["record", "record_provider"]

_NOTHING_RAN = "failed"


def record(rig: Rig) -> None:
    """Add to the history what the simulator and the ledger know."""
    record_provider(rig.history, rig.simulator, signal=rig.signal)
    jobs, work = JobStore(rig.redis), WorkQueue(rig.redis, lease_s=1)
    for meta in jobs.recent():
        rig.history.jobs.append(
            JobEnd(meta.id, meta.provider, meta.is_final, meta.total, meta.succeeded, meta.errored)
        )
        rig.history.shards += [
            Shard(
                id=shard.id,
                mark=shard.wire_name,
                job_id=shard.job_id,
                provider=shard.route,
                state=shard.state,
                batch_id=shard.batch_id,
                requests=shard.requests,
            )
            for shard in work.shards_of(meta.id)
        ]
    rig.history.gauges = overview(rig.redis).requests
    rig.history.leftovers = leftovers(rig.redis)


def record_provider(history: History, simulator: SimulatorProcess, *, signal: str = "kill") -> None:
    """Add what the simulator accepted and sent; `signal` says what its signals did to callers."""
    names = {provider.simulated: provider.name for provider in PROVIDERS.values()}
    for batch in simulator.batches():
        history.batches.append(
            SeenBatch(
                id=batch["id"],
                provider=names[batch["provider"]],
                mark=mark_of(batch),
                requests=batch["line_count"],
                ran=batch["phase"] != _NOTHING_RAN or batch["done_count"] > 0,
                results=tuple(batch["results"]),
            )
        )
    struck: Counter[str] = Counter()
    reading = {provider.results: provider.name for provider in PROVIDERS.values()}
    for entry in simulator.log():
        provider = provider_of_call(entry["call"])
        if "signal" in entry["faults"]:
            history.acts.append(Act(signal, provider))
        elif entry["faults"]:
            struck[provider] += 1
        if entry["call"] in reading and entry["status"] == 200:  # noqa: PLR2004 - HTTP's own number
            history.reads.append(Read(reading[entry["call"]], unquote(entry["path"])))
    history.struck = dict(struck)
