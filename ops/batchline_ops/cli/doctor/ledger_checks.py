"""The ledger itself: whether we can read it, and whether its work gets done. Writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from batchline_ops.cli.doctor.doubts import doubts
from batchline_ops.cli.doctor.findings import fail, ok, warn
from batchline_shared.ledger import Audits, SetAside, Stage, keys, overview

if TYPE_CHECKING:
    from batchline_ops.cli.doctor.findings import Finding
    from batchline_shared.ledger import Overview

__all__ = ["check_ledger", "read_overview"]

_SHOWN: Final = 20
"""Most of what is in doubt, or set aside, that is shown."""

_LATELY_MS: Final = 3 * 24 * 3600 * 1000
"""How old an audit's finding may be to be shown."""

_LATE_S: Final = 60.0
"""Due work that is older was not looked at by any worker."""


def read_overview(client: Any) -> Overview | None:
    """The ledger in numbers; None where there is none that we could read."""
    if client.get(keys.SCHEMA) != str(keys.SCHEMA_VERSION).encode():
        return None
    return overview(client)


def check_ledger(client: Any, numbers: Overview | None) -> list[Finding]:
    """The ledger's version, its oldest due work, and what waits for a person."""
    found = client.get(keys.SCHEMA)
    if found is None:
        return [ok("Ledger", "none yet; the first job makes it")]
    if numbers is None:
        version = bytes(found)[:20].decode(errors="replace")
        return [
            fail(
                "Ledger",
                f"of schema version {version}; this Batchline writes {keys.SCHEMA_VERSION}",
                "Run one version of Batchline everywhere, or use another Redis database",
            )
        ]
    active = numbers.open_jobs
    ended = sum(numbers.jobs.values()) - active
    return [
        ok("Ledger", f"schema version {keys.SCHEMA_VERSION}; {active:,} jobs run, {ended:,} have ended"),
        _lateness(numbers),
        *doubts(client, numbers.shards.get("in_doubt", 0), shown=_SHOWN),
        *_set_aside(client, numbers),
        *_audits(client),
    ]


def _lateness(numbers: Overview) -> Finding:
    check = "Due work"
    # An audit is due whether or not there is work, and may wait until there are workers again.
    waits = {stage: due_s for stage, due_s in numbers.oldest_due_s.items() if stage != Stage.AUDIT}
    stage, oldest_s = max(waits.items(), key=lambda item: item[1])
    if oldest_s > _LATE_S:
        return fail(
            check,
            f"{stage} has waited for {oldest_s:,.0f} s",
            "Start workers, or more of them: batchline up, or celery -A batchline_worker.app worker",
        )
    return ok(check, "nothing waits for longer than a minute")


def _set_aside(client: Any, numbers: Overview) -> list[Finding]:
    """What nobody works on, each with its reason; at most some of it."""
    found = SetAside(client).records(_SHOWN) if numbers.set_aside else []
    advice = "Mend the cause, then: batchline batch release JOB_ID"
    return [
        warn(
            "Set aside",
            f"{one.member} (stage {one.stage}, {one.at:%Y-%m-%d %H:%M} UTC): {one.reason}",
            advice,
        )
        for one in found
    ]


def _audits(client: Any) -> list[Finding]:
    """How the accounts' last audits went, and what they found lately."""
    audits = Audits(client, lease_s=1.0)
    checks = [
        warn(f"Audit of {one.route}", one.run.error, "Mend it, then: batchline doctor --audit")
        if one.run.error
        else ok(f"Audit of {one.route}", f"{one.run.paired:,} of {one.run.batches:,} batches are its jobs'")
        for one in audits.accounts()
        if one.ended_ms
    ]
    found = audits.findings(since_ms=audits.now_ms() - _LATELY_MS)
    if found:
        at, newest = found[0]
        text = f"batch {newest.batch_id} of shard {newest.shard}: {newest.verdict}, {newest.done}"
        detail = f"{len(found)} findings in three days; at {at:%Y-%m-%d %H:%M} UTC {text}"
        checks.append(warn("Audit", detail, "See docs/operations.md, Audit"))
    return checks
