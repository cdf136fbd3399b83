"""The audits of provider accounts: when each is due, and what they found."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from batchline_shared.ledger import keys
from batchline_shared.ledger.audit_records import AuditWork, Finding, Verdict, audit_of
from batchline_shared.ledger.leasing import Leasing, flat
from batchline_shared.ledger.work_records import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchline_shared.ledger.audit_records import AuditRun

__all__ = ["Audits"]

_MOST_FINDINGS: Final = 500

_STATE = "waiting"
"""Of every audit's record."""


class Audits(Leasing):
    """Audits have work records, one for each account, so that one worker at a time looks at it."""

    def note(self, route: str, delay_s: float) -> None:
        """Have an account audited from now on, first in `delay_s`; safe to repeat."""
        partition, member = keys.partition_of(route), audit_of(route)
        with self._client.pipeline(transaction=False) as pipe:
            # The record first: a member without one leaves its due set.
            for field, value in (("job", route), ("state", _STATE), ("token", 0)):
                pipe.hsetnx(keys.work(partition, member), field, value)
            pipe.zadd(
                keys.due(partition, Stage.AUDIT), {member: self.now_ms() + int(delay_s * 1000)}, nx=True
            )
            pipe.execute()

    def lease(self, limit: int) -> list[AuditWork]:
        """Lease up to `limit` audits that are due."""
        return self._leased(Stage.AUDIT, limit, AuditWork.read)

    def hasten(self, route: str) -> bool:
        """Make an account's audit due now; False when it is under way."""
        partition, member = keys.partition_of(route), audit_of(route)
        where = [keys.work(partition, member), keys.due(partition, Stage.AUDIT)]
        return bool(self._scripts.wake(keys=where, args=[member]))

    def end(self, audit: AuditWork, run: AuditRun, delay_s: float) -> bool:
        """Write how an audit went; it is due again in `delay_s`. False when the lease is lost."""
        partition = keys.partition_of(audit.route)
        due = keys.due(partition, Stage.AUDIT)
        fields: dict[str, Any] = {
            "batches": run.batches,
            "paired": run.paired,
            "others": run.others,
            "findings": run.findings,
            "error": run.error,
            "ended_ms": "@now",
        }
        reply = self._scripts.advance(
            keys=[keys.work(partition, audit.id), keys.tally(partition), due, due],
            args=[audit.id, audit.token, "audit", _STATE, int(delay_s * 1000), 0, 0, *flat(fields)],
        )
        return bool(reply[0])

    def accounts(self) -> list[AuditWork]:
        """Every account that is audited, in the order of their names."""
        found = []
        for partition in range(keys.PARTITIONS):
            for member in self._client.zrange(keys.due(partition, Stage.AUDIT), 0, -1):
                name = member.decode(errors="replace")
                record = self._client.hgetall(keys.work(partition, name))
                if record:
                    found.append(AuditWork.read(name, record))
        return sorted(found, key=lambda one: one.route)

    # --- findings ----------------------------------------------------------------------------

    def report(self, finding: Finding) -> None:
        """Keep a finding; a newer one of the same batch takes its place."""
        with self._client.pipeline(transaction=False) as pipe:
            pipe.hset(keys.FINDINGS, finding.name, orjson.dumps(finding))
            pipe.zadd(keys.FOUND, {finding.name: self.now_ms()})
            pipe.zrange(keys.FOUND, 0, -_MOST_FINDINGS - 1)
            *_, old = pipe.execute()
        if old:
            self._client.hdel(keys.FINDINGS, *old)
            self._client.zrem(keys.FOUND, *old)

    def findings(self, *, since_ms: int = 0) -> list[tuple[datetime, Finding]]:
        """What was found since a time, the newest first."""
        found = self._client.zrevrangebyscore(keys.FOUND, "+inf", since_ms, withscores=True)
        if not found:
            return []
        texts = self._client.hmget(keys.FINDINGS, [name for name, _ in found])
        return [
            (datetime.fromtimestamp(score / 1000, UTC), _finding(text))
            for (_, score), text in zip(found, texts, strict=True)
            if text is not None
        ]

    def is_reported(self, finding: Finding) -> bool:
        """Whether there is a finding of the same batch."""
        return bool(self._client.hexists(keys.FINDINGS, finding.name))

    # --- batches without marks ---------------------------------------------------------------

    def note_stranger(self, route: str, batch_id: str, *, kept_s: float) -> None:
        """Remember that a batch's results were read, and are nobody's here."""
        now_s = int(self._client.time()[0])
        with self._client.pipeline(transaction=False) as pipe:
            pipe.zadd(keys.strangers(route), {batch_id: now_s})
            pipe.zremrangebyscore(keys.strangers(route), "-inf", now_s - int(kept_s))
            pipe.execute()

    def strangers(self, route: str, batch_ids: Sequence[str]) -> set[str]:
        """Those of some batches that were read, and are nobody's here."""
        scores = self._client.zmscore(keys.strangers(route), list(batch_ids)) if batch_ids else []
        return {batch_id for batch_id, score in zip(batch_ids, scores, strict=True) if score is not None}


def _finding(text: bytes) -> Finding:
    fields = orjson.loads(text)
    return Finding(**{**fields, "verdict": Verdict(fields["verdict"])})
