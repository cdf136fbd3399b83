"""Every key that Batchline keeps in Redis: type, members, writer, TTL and why.

Three kinds of hash tag decide where a key lives on a cluster, and what one Lua
script may change at once:

* `{<job id>}`: what belongs to one job. The client writes it at enqueue, the
  workers land outcomes in it.
* `{p<n>}`: one of `PARTITIONS` shares of the work in progress: who may do what
  next, and when. Only here is anything leased. A job's work and all its
  shards' work lie in one partition (`partition_of`), so that a lease, a
  change of state and the next due time are one script.
* `{r:<route>}`: who may create a batch next in one provider account.

A step that crosses from one kind to the other is idempotent, and ordered so
that a crash between the two is mended by the next tick.

All times are milliseconds of Redis' own clock (`TIME`), never a client's.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

__all__ = [
    "ALL_JOBS",
    "FINDINGS",
    "FOUND",
    "LEDGER_ID",
    "LIST_SWEEP",
    "NUDGE",
    "PARTITIONS",
    "SCHEMA",
    "SCHEMA_VERSION",
    "STIR",
    "SUSPECT",
    "TICK",
    "admission",
    "admission_prefix",
    "again",
    "aside",
    "asked",
    "attempts",
    "batch_shard",
    "berths",
    "berths_prefix",
    "copies",
    "created_batches",
    "delivery",
    "done",
    "due",
    "duplicates",
    "events",
    "gate",
    "idempotency",
    "identifiers",
    "index",
    "input_chunks",
    "job_keys",
    "live_calls",
    "meta",
    "outcomes",
    "partition_of",
    "passengers",
    "pool",
    "ready",
    "reasks",
    "shards",
    "strangers",
    "sweep",
    "tally",
    "work",
    "work_prefix",
]

SCHEMA_VERSION: Final = 2
"""Version of everything below. A process refuses a ledger of another version."""

PARTITIONS: Final = 8
"""Shares of the work. Part of the schema: changing it moves every job's work."""

PREFIX: Final = "batchline"

SCHEMA: Final = f"{PREFIX}:schema"
"""String: `SCHEMA_VERSION`. Whoever connects first writes it. No TTL."""

LEDGER_ID: Final = f"{PREFIX}:ledger-id"
"""String: 16 random hex digits that batches bear at their providers, made by the first worker. No TTL: with
another one, batches from before would count as another installation's. A worker that finds another one than
it began with knows that the ledger was wiped or replaced."""

FINDINGS: Final = f"{PREFIX}:audit:findings"
"""Hash: `account batch` → JSON of what an audit found (`audit_records.Finding`). Workers write it, and keep
the newest 500 by `FOUND`. No TTL."""

FOUND: Final = f"{PREFIX}:audit:found"
"""Sorted set: `account batch` → when it was found last. As `FINDINGS`."""

ALL_JOBS: Final = f"{PREFIX}:jobs"
"""Sorted set: job id → time of creation. The client adds at enqueue, before the job is committed,
so that a committed job is always listed; readers, and a sweep, drop ids without a record. No TTL."""

LIST_SWEEP: Final = f"{PREFIX}:sweep-list"
"""String: taken with SET NX EX by whoever drops ids of jobs that are gone from `ALL_JOBS`. TTL: a minute."""

TICK: Final = f"{PREFIX}:tick"
"""String: taken with SET NX PX by the process whose tick this is. TTL: one tick, so that any number of
beats and workers make one tick per interval. Losing it costs a superfluous tick."""

SUSPECT: Final = f"{PREFIX}:suspect"
"""String: `stage member`, of work that is handled although several workers have died over it. Meanwhile no
other such work is, so that the innocent do not die with the guilty. TTL: a lease, renewed with it."""

NUDGE: Final = f"{PREFIX}:nudge:%s"
"""String by stage: taken with SET NX PX by whoever sends a nudge. TTL: well under a tick; it keeps
a thousand enqueues a second from sending a thousand messages. Losing it costs a superfluous message."""

STIR: Final = f"{PREFIX}:stir:%s"
"""Channel by a random name: a process tells its own listener that it waits for further jobs."""


def sweep(route: str) -> str:
    """String: taken with SET NX EX by whoever looks for room in an account that dead workers hold.

    TTL: a minute. Losing it costs a superfluous look.
    """
    return f"{PREFIX}:sweep:{route}"


def idempotency(digest: str) -> str:
    """String: the id of the job that an idempotency key (given by its SHA-256) stands for.

    The client writes it with SET NX before the job. TTL: a day and an hour while the enqueue is under way,
    none from just before its commit on, and that of the job once it has ended.
    """
    return f"{PREFIX}:idem:{digest}"


def gate(route: str) -> str:
    """String: `shard id/token of its lease`, of the creation that may be of unknown outcome, by account.

    Only where the provider keeps no marks on batches (Anthropic). A worker takes it before it announces or
    looks for a creation, and frees it once the outcome is known; whoever finds it held by a shard whose
    outcome is known takes it over. No TTL: an unknown outcome does not become known by waiting.
    """
    return f"{PREFIX}:gate:{route}"


def created_batches(route: str) -> str:
    """Sorted set: provider batch id → when it was written, of one such account: batches that have a shard.

    With it `batch id shard id` → the same: whose it is. A shard that the server has forgotten to have been
    submitted finds its batch by it. Written before the gate is freed, so that nobody takes a known batch for
    a lost one. Members older than the provider keeps results are dropped with each write. No TTL of its own.
    """
    return f"{PREFIX}:batches:{route}"


def batch_shard(route: str, batch_id: str) -> str:
    """String: the id of the shard that a provider's batch is, by account and the provider's id.

    Only where the provider sends hints that a batch has ended. A worker writes it once the batch is recorded
    and deletes it once it has ended. TTL: four days, longer than such a batch can run, for one that ends
    otherwise. Losing it costs the wait for the next poll.
    """
    return f"{PREFIX}:batch:{route}:{batch_id}"


def strangers(route: str) -> str:
    """Sorted set: provider batch id → when an audit read its results, and found them to be nobody's here.

    Only for accounts whose provider keeps no marks: so that each is read once. Members older than the audit's
    window are dropped with each write. No TTL of its own; losing it costs reading again.
    """
    return f"{PREFIX}:strangers:{route}"


def meta(job_id: str) -> str:
    """Hash: the job's record (`records.JobMeta`): status, template, counts, times.

    Written by the client at enqueue and on cancel and retry, by the workers as
    outcomes land; `life` is the server's when it was begun (`_life.lua`), or
    its last retry was, whose `retrier` it tells. TTL: one day while the enqueue
    is under way (a client that dies leaves nothing behind), none while the job
    lives, `retention_s` after.
    `deletion` marks it (`deleting`) before it deletes anything, and deletes it last.
    """
    return f"{PREFIX}:{{{job_id}}}:meta"


def input_chunks(job_id: str) -> str:
    """Hash: chunk number → zstd of up to 500 request rows, one JSON value a line. TTL as `meta`.

    The row of a request in `duplicates` is the number of the one that it equals.
    """
    return f"{PREFIX}:{{{job_id}}}:in"


def index(job_id: str) -> str:
    """Hash: chunk number → a `payload.ChunkInfo`, for planning without the payload. TTL as `meta`.

    Of an adopted job, `name_rows.lua` appends, with no bytes.
    """
    return f"{PREFIX}:{{{job_id}}}:idx"


def identifiers(job_id: str) -> str:
    """Hash: chunk number → zstd of a JSON array, the custom ids of its rows.

    Absent where the ids are the default `request-0…`. Of an adopted job, `name_rows.lua` appends them in the
    order in which the workers first see them. TTL as `meta`.
    """
    return f"{PREFIX}:{{{job_id}}}:ids"


def duplicates(job_id: str) -> str:
    """Bitmap: bit n is set where row n equals an earlier one: it is never sent, and gets that one's outcome.

    Written at enqueue, where the job asks for it; absent otherwise. TTL as `meta`.
    """
    return f"{PREFIX}:{{{job_id}}}:dup"


def copies(job_id: str) -> str:
    """Hash: `row,part` → zstd of a JSON array of up to 500 `[row, custom id or null]` that equal the first.

    Only rows that others equal have fields; parts count from 0 without a gap. Written at enqueue.
    TTL as `meta`.
    """
    return f"{PREFIX}:{{{job_id}}}:copies"


def done(job_id: str) -> str:
    """Bitmap: bit n is set once row n has its outcome. What makes an outcome exactly one. TTL as `meta`."""
    return f"{PREFIX}:{{{job_id}}}:done"


def again(job_id: str) -> str:
    """Bitmap: bit n is set while row n waits for another attempt, its failure being in `attempts`.

    `defer.lua` sets it, `land.lua` clears it with the row's outcome, the next attempt makes `ready` of it.
    A row that is in none of `done`, `again`, `ready` and `duplicates`, when no shard is open, was lost.
    TTL as `meta`.
    """
    return f"{PREFIX}:{{{job_id}}}:again"


def ready(job_id: str) -> str:
    """Bitmap: bit n is set while row n is to be put into a shard of the attempt that is under way.

    `begin_attempt.lua` makes it of `again`, `take_back.lua` and `make_ready.lua` set bits, `land.lua` clears
    them, `end_planning.lua` all of them. Only what it holds is sent another time. TTL as `meta`.
    """
    return f"{PREFIX}:{{{job_id}}}:ready"


def asked(job_id: str) -> str:
    """Bitmap: bit n is set once row n has been asked through the live API, or is about to be.

    `mark_asked.lua` sets it before the call, so that a row without an outcome whose bit is set is one whose
    answer was lost, and is never asked again by itself. `unmark_asked.lua` clears it after a refusal for
    now; a user's retry drops it. TTL as `meta`.
    """
    return f"{PREFIX}:{{{job_id}}}:asked"


def attempts(job_id: str) -> str:
    """Hash: number (0…) → zstd of up to 500 outcome rows that were not the last word: each was tried again.

    Appended by `defer.lua`, and by `take_back.lua` for a user's retry. TTL as `meta`.
    """
    return f"{PREFIX}:{{{job_id}}}:tries"


def reasks(job_id: str) -> str:
    """Hash: what was added to the conversations of rows whose answers were sent back (`ledger.reasks`).

    Block of 500 rows → number of its parts; `block:part` → zstd of one note a line. Appended by `defer.lua`
    together with the failure, and by `take_back.lua` with what `Job.reask` takes back. TTL as `meta`.
    """
    return f"{PREFIX}:{{{job_id}}}:asks"


def outcomes(job_id: str) -> str:
    """Hash: landing number (0…) → zstd of up to 500 outcome rows, in the order they landed.

    Appended by `land.lua` only, and rewritten only by a retry, which leaves an empty
    row for each that is tried again: a reader's cursor stays valid. TTL as `meta`.
    """
    return f"{PREFIX}:{{{job_id}}}:out"


def events(job_id: str) -> str:
    """Channel: a message whenever outcomes land or the status changes. Waiters look at `meta` then."""
    return f"{PREFIX}:{{{job_id}}}:events"


def job_keys(job_id: str) -> list[str]:
    """Every key with the job's tag, in the order in which the scripts take them; `meta` first."""
    names = (meta, input_chunks, index, identifiers, done, outcomes, again, attempts, ready, asked)
    return [name(job_id) for name in (*names, duplicates, copies, reasks)]


def partition_of(job_id: str) -> int:
    """The partition that holds the work of a job and of its shards; of a pool, its keys and its carriers'."""
    return crc32(job_id.encode()) % PARTITIONS


def delivery(job_id: str, kind: str, number: int) -> str:
    """Not a key, but a member of `due`, as a job's id is: what is told of its `number`th end, and how."""
    return f"{job_id}-{kind}-{number}"


def due(partition: int, stage: str) -> str:
    """Sorted set: job, shard, timer, delivery or audit → when a worker should look at it, in one stage.

    A lease moves the score to the end of the lease, which makes it its own
    redelivery. No TTL: losing it loses work.
    """
    return f"{PREFIX}:{{p{partition}}}:due:{stage}"


def work(partition: int, member: str) -> str:
    """Hash: a work record; see `work_records`, `deadlines` for timers, `delivery_records`, `audit_records`.

    Written only by scripts that check the lease's token; a rider's also by those that check that it rides in
    the carrier whose worker calls them. TTL: none while the job lives, `retention_s` after, so that an audit
    can still pair batches. With a job that is deleted its work goes at once, but for shards whose files are
    still at the provider: those are due for cleaning up, and go within two days. A timer goes
    when it has been seen to, or the job ends. An account's audit stays, one for each account.
    """
    return work_prefix(partition) + member


def work_prefix(partition: int) -> str:
    """What every work record's key of a partition starts with."""
    return f"{PREFIX}:{{p{partition}}}:work:"


def shards(partition: int, job_id: str) -> str:
    """Sorted set: shard id → its number, for all shards of a job, in order. TTL as `work`."""
    return f"{PREFIX}:{{p{partition}}}:shards:{job_id}"


def pool(partition: int, pool_id: str) -> str:
    """Hash: `open`, the carrier that riders may join, perhaps; `number`, that of the newest carrier.

    `join_pool.lua` writes it. TTL: two days after the last join; the next one then begins anew.
    """
    return f"{PREFIX}:{{p{partition}}}:pool:{pool_id}"


def passengers(partition: int, pool_id: str) -> str:
    """Hash: rider → `carrier number rows inputs tokens bytes`: which carrier each shard of a pool rides in.

    `join_pool.lua` adds, `leave_pool.lua` takes away: when a rider leaves or is cancelled, when its carrier
    leaves it out, and once it has ended. No TTL: losing a member would have its requests sent twice.
    """
    return f"{PREFIX}:{{p{partition}}}:passengers:{pool_id}"


def berths(partition: int, carrier: str) -> str:
    """Hash: number → `rider attempt segment`, of all riders that a carrier was made of, in their order.

    `join_pool.lua` and `leave_pool.lua` write it while the carrier gathers; from then on it stays, so that
    a position on the wire is the same row for ever. TTL: none while the carrier lives, then its own.
    """
    return berths_prefix(partition) + carrier


def berths_prefix(partition: int) -> str:
    """What the key of every carrier's berths in a partition starts with."""
    return f"{PREFIX}:{{p{partition}}}:berths:"


def aside(partition: int) -> str:
    """Hash: `stage member` → `milliseconds reason`: work that nobody looks at until a person says so.

    Its record cannot be read, or handling it ended too many workers (`set_aside`). It is in no due set; its
    own keys stay as they were. As many fields as there is such work; those whose work has ended or gone are
    swept once a minute. No TTL: losing it hides what waits for a person.
    """
    return f"{PREFIX}:{{p{partition}}}:aside"


def tally(partition: int) -> str:
    """Hash: how many shards and jobs are in each state, and requests by outcome, for the gauges. No TTL."""
    return f"{PREFIX}:{{p{partition}}}:tally"


def admission(route: str) -> list[str]:
    """Every key of admission to a provider account, in the order in which the scripts take them.

    All are written by the scripts of `admission.Admission` alone; each model has two more, see
    `admission_prefix`. No TTL, unless said: losing one would let more through than the account may have.
    They hold ids and numbers of what is open, and shrink with it.

    1. `records`, hash: shard id → `model tokens requests finish share flow`, of what waits or is admitted.
    2. `held`, sorted set: shard id → when it was admitted: what has its share of the account's room.
    3. `turns`, sorted set: model → its turn, for models that have shards waiting.
    4. `state`, hash: what is held for each model and in all, the limits as last asked with, the models'
       virtual clocks, and until when the account is paused or stopped.
    5. `creations`, sorted set: `shard id@time` → when it was admitted, of the last hour; as many as an
       hour's limit, and none where there is no such limit. TTL: an hour.
    6. `taught`, hash: `tokens`, `requests` or `factor` and a model → limits that a provider named, and how
       far its usage is from our estimates. TTL: 30 days after the last; the next refusal teaches anew.
    7. `seen`, sorted set: mark of a call → when it was made, of the last ten minutes, so that a command
       that the client sends again does nothing. TTL: ten minutes.
    """
    names = ("records", "held", "turns", "state", "creations", "taught", "seen")
    return [admission_prefix(route) + name for name in names]


def admission_prefix(route: str) -> str:
    """What the keys of an account's admission begin with; the scripts append two names for each model.

    * `waiting:<model>`, sorted set: shard id → its virtual time, of those that wait.
    * `flows:<model>`, sorted set: job or pool → the virtual time at which all it has asked for is done, of
      those that are ahead of the model's clock. Both vanish with the last that waits.
    """
    return f"{PREFIX}:{{r:{route}}}:admission:"


def live_calls(route: str) -> str:
    """String: when a provider account may next be asked through the live API, in milliseconds.

    Workers move it on with each call (`take_live.lua`) and after a refusal for now (`pause_live.lua`).
    TTL: a minute beyond that time; without it, there is nothing to wait for.
    """
    return f"{PREFIX}:{{r:{route}}}:live"
