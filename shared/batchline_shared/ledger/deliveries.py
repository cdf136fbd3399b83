"""Telling that jobs have ended: one delivery for each end and each who is to be told.

`close_job.lua` makes them due, in the script that closes the job, so that no
end is forgotten; a worker that dies after sending and before writing it sends
again, with the same id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchline_shared.ledger import keys
from batchline_shared.ledger.delivery_records import DeliveryKind, DeliveryState, DeliveryWork
from batchline_shared.ledger.leasing import flat
from batchline_shared.ledger.scripts import Scripts
from batchline_shared.ledger.work_records import Stage

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["Deliveries"]


class Deliveries:
    """Reads deliveries, and writes what came of them; they are leased as other work is."""

    def __init__(self, client: Redis) -> None:
        # redis-py types every reply as str or bytes, whatever the client decodes; ours are bytes.
        self._client: Any = client
        self._scripts = Scripts(client)

    def names_of(self, job_id: str) -> list[str]:
        """The names that the deliveries of a job's ends may have, in order."""
        ends = int(self._client.hget(keys.work(keys.partition_of(job_id), job_id), "ends") or 0)
        return [keys.delivery(job_id, kind, number) for number in range(1, ends + 1) for kind in DeliveryKind]

    def of_job(self, job_id: str) -> list[DeliveryWork]:
        """All deliveries of a job's ends, in order; none for a job that nobody is to be told of."""
        partition = keys.partition_of(job_id)
        names = self.names_of(job_id)
        with self._client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hgetall(keys.work(partition, name))
            records = pipe.execute()
        return [
            DeliveryWork.read(name, record) for name, record in zip(names, records, strict=True) if record
        ]

    def note(
        self, delivery: DeliveryWork, state: DeliveryState, delay_s: float | None, **fields: str | int | bytes
    ) -> bool:
        """Write what came of an attempt, and give the lease back.

        Args:
            delivery: As it was leased.
            state: Where it stands now.
            delay_s: Seconds until the next attempt; None: there is none.
            fields: Fields to write.

        Returns:
            False when the lease was lost; nothing was written then.
        """
        partition = keys.partition_of(delivery.job_id)
        delay = "" if delay_s is None else int(delay_s * 1000)
        return bool(
            self._scripts.note_delivery(
                keys=[keys.work(partition, delivery.id), keys.due(partition, Stage.NOTIFY)],
                args=[delivery.id, delivery.token, delay, *flat({"state": state, **fields})],
            )
        )
