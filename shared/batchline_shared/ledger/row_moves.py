"""The moves of a job's rows: to an outcome, to another attempt, and back again.

Each is one script over the bits that say where a row is (`keys.done`, `keys.again`, `keys.ready`),
so that it happens once, whoever calls it how often.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from batchline_shared.errors import JobNotFoundError
from batchline_shared.ledger import keys
from batchline_shared.ledger.chunks import pack
from batchline_shared.ledger.leasing import flat
from batchline_shared.ledger.payload import Payload
from batchline_shared.ledger.reasks import Note, NoteReader, packed_notes
from batchline_shared.ledger.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from redis import Redis

__all__ = ["Landing", "RowMoves"]


class Landing(NamedTuple):
    """Outcome rows to be landed together, and what they add to the job's counts."""

    rows: list[int]
    lines: list[bytes]
    """One JSON object for each row (`outcome_rows`)."""
    counts: list[dict[str, int]]
    """For each row, what it adds: `succeeded`, `errored`, `err.<type>`, tokens (`pricing.token_counts`)."""

    def only(self, positions: Sequence[int]) -> Landing:
        """The rows at these positions."""
        return Landing(
            [self.rows[i] for i in positions],
            [self.lines[i] for i in positions],
            [self.counts[i] for i in positions],
        )


class RowMoves(Payload):
    """Payload whose rows move."""

    def __init__(self, client: Redis) -> None:
        super().__init__(client)
        self._scripts = Scripts(client)

    def land(self, job_id: str, landing: Landing, *, spare_waiting: bool = False) -> int:
        """Give rows their outcome; a row that has one keeps it.

        Args:
            job_id: The job.
            landing: The rows.
            spare_waiting: Leave rows alone that wait for another attempt: these are failures.

        Returns:
            How many rows got theirs by this call.

        Raises:
            JobNotFoundError: The job has been deleted.
        """
        return len(self.land_rows(job_id, landing, spare_waiting=spare_waiting).rows)

    def land_rows(self, job_id: str, landing: Landing, *, spare_waiting: bool = False) -> Landing:
        """As `land`; returns the rows that got their outcome by this call."""
        names = (keys.meta, keys.done, keys.outcomes, keys.again, keys.ready)
        channel = keys.events(job_id)
        return self._write_rows(
            job_id,
            landing,
            lambda rows, chunk, totals: self._scripts.land(
                keys=[name(job_id) for name in names],
                args=[rows, chunk, channel, int(spare_waiting), *totals],
            ),
        )

    def defer(
        self, job_id: str, attempt: int, failures: Landing, turns: Sequence[bytes] | None = None
    ) -> int:
        """Note that rows failed in this attempt and wait for the next one; one with an outcome keeps it.

        Nothing is noted when another attempt is under way.

        Args:
            job_id: The job.
            attempt: The attempt in which they failed.
            failures: The rows.
            turns: For each row, what its conversation grows by, as its answer is sent back; None: the
                same is sent again.

        Returns:
            How many rows wait because of this call.

        Raises:
            JobNotFoundError: The job has been deleted.
        """
        names = (keys.meta, keys.done, keys.again, keys.attempts, keys.reasks)
        said = dict(zip(failures.rows, turns or (), strict=turns is not None))

        def write(rows: str, chunk: bytes, totals: list[str | int | bytes]) -> list[int]:
            wanted = map(int, rows.split(",")) if said else ()
            parts = packed_notes(Note(row, attempt, said[row]) for row in wanted)
            args = [attempt, rows, chunk, len(parts) // 2, *parts, *totals]
            reply: list[int] = self._scripts.defer(keys=[name(job_id) for name in names], args=args)
            return reply

        return len(self._write_rows(job_id, failures, write).rows)

    def notes(self, job_id: str, before: int) -> NoteReader:
        """What rows' conversations have grown by in the attempts before one."""
        return NoteReader(self._client, job_id, before)

    @staticmethod
    def _write_rows(
        job_id: str, landing: Landing, write: Callable[[str, bytes, list[str | int | bytes]], list[int]]
    ) -> Landing:
        """Write a chunk of rows, without those that the script says are not new; returns what was."""
        while landing.rows:
            totals: dict[str, int] = {}
            for counts in landing.counts:
                for name, value in counts.items():
                    totals[name] = totals.get(name, 0) + value
            reply = write(",".join(map(str, landing.rows)), pack(landing.lines), flat(totals))
            if reply[0] == -1:
                raise JobNotFoundError(job_id)
            if reply[0] != 2:  # noqa: PLR2004 - see land.lua
                return landing if reply[0] else landing.only(())
            landing = landing.only(reply[1:])
        return landing

    def begin_attempt(self, job_id: str, ended: int) -> int:
        """Begin the attempt after `ended` if rows wait for it; returns the one that is under way."""
        names = (keys.meta, keys.again, keys.ready)
        return int(self._scripts.begin_attempt(keys=[name(job_id) for name in names], args=[ended]))

    def make_ready(self, job_id: str, rows: Sequence[int]) -> int:
        """Let rows that no shard ever held be planned; returns how many had no outcome and did not wait."""
        names = (keys.meta, keys.done, keys.again, keys.ready)
        text = ",".join(map(str, rows))
        return int(self._scripts.make_ready(keys=[name(job_id) for name in names], args=[text]))

    def end_planning(self, job_id: str, attempt: int) -> None:
        """Note that shards hold every row of an attempt; of an earlier one, nothing."""
        self._scripts.end_planning(keys=[keys.meta(job_id), keys.ready(job_id)], args=[attempt])

    def begin_retry(self, job_id: str, retrier: str = "") -> int:
        """Reopen a finished job; its round, or 0 when it is not finished, or is being deleted.

        A `retrier` is told its round again, should the first answer be lost.
        """
        return int(self._scripts.begin_retry(keys=keys.job_keys(job_id), args=[keys.events(job_id), retrier]))

    def take_back(
        self,
        job_id: str,
        landing: int,
        before: bytes,
        kept: list[bytes],
        taken: list[bytes],
        rows: list[int],
        counts: Mapping[str, int],
        notes: Iterable[Note] = (),
    ) -> bool:
        """Take the outcomes of `rows` out of a landing; False when it has changed since it was read.

        Sent twice, it is done once. `notes` says what the conversations grow by of rows whose answers are
        sent back.
        """
        parts = packed_notes(notes)
        names = (keys.meta, keys.done, keys.outcomes, keys.attempts, keys.ready, keys.reasks)
        return bool(
            self._scripts.take_back(
                keys=[name(job_id) for name in names],
                args=[
                    landing,
                    before,
                    pack(kept),
                    pack(taken),
                    ",".join(map(str, rows)),
                    len(parts) // 2,
                    *parts,
                    *(part for item in counts.items() for part in item),
                ],
            )
        )

    def end_retry(self, job_id: str, retrier: str) -> int | None:
        """Let planning go on, for a `retrier` who has taken back what he wants.

        Returns:
            How many rows are to be sent again; None when a restart may have lost some of it: `begin_retry`
            and take back again.
        """
        names = (keys.meta, keys.ready)
        reply = int(self._scripts.end_retry(keys=[name(job_id) for name in names], args=[retrier]))
        return None if reply < 0 else reply

    def break_retry(self, job_id: str) -> None:
        """Let planning go on without waiting for a retry that does not end."""
        self._client.hdel(keys.meta(job_id), "retrying")
