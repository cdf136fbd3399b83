"""The ledger: the durable state of every job, in Redis. The only truth.

`keys` lists every key, `records` what the hashes hold, `jobs` and `work` are
the two halves (a job's data; who may do what next), `lua/` is what changes them.
"""

from batchline_shared.ledger.admission import Admission
from batchline_shared.ledger.admission_records import Admitted, TooLarge, Wait
from batchline_shared.ledger.audit_records import AuditRun, AuditWork, Finding, Verdict
from batchline_shared.ledger.audits import Audits
from batchline_shared.ledger.batch_index import BatchIndex
from batchline_shared.ledger.connection import connect, open_ledger, redis_errors, server_name
from batchline_shared.ledger.deadlines import Deadline, JobTimer, OnDeadline
from batchline_shared.ledger.decisions import (
    GIVE_UP,
    NO_BATCH,
    Resolved,
    batch_decision,
    decided_batch,
    is_given_up,
)
from batchline_shared.ledger.deliveries import Deliveries
from batchline_shared.ledger.delivery_records import (
    Attempted,
    DeliveryError,
    DeliveryKind,
    DeliveryState,
    DeliveryWork,
    Ending,
)
from batchline_shared.ledger.duplicates import Copies
from batchline_shared.ledger.gates import Gates
from batchline_shared.ledger.identity import ledger_id
from batchline_shared.ledger.jobs import JobStore
from batchline_shared.ledger.leasing import Advanced
from batchline_shared.ledger.live_calls import LiveCalls
from batchline_shared.ledger.naming import Naming
from batchline_shared.ledger.overview import Overview, overview
from batchline_shared.ledger.payload import ChunkInfo, InputChunk, RowTally
from batchline_shared.ledger.pools import Berth, Pools, half_of, pool_of
from batchline_shared.ledger.reasks import Note, NoteReader
from batchline_shared.ledger.records import FINAL, JobMeta, JobStatus, Priority
from batchline_shared.ledger.ride_records import Carriage, Ride
from batchline_shared.ledger.row_moves import Landing
from batchline_shared.ledger.set_aside import AsideRecord, SetAside
from batchline_shared.ledger.timers import Timers
from batchline_shared.ledger.work import WorkQueue
from batchline_shared.ledger.work_records import (
    JobWork,
    Manifest,
    Segment,
    ShardState,
    ShardWork,
    Stage,
    job_of,
    shard_id,
)

__all__ = [
    "FINAL",
    "GIVE_UP",
    "NO_BATCH",
    "Admission",
    "Admitted",
    "Advanced",
    "AsideRecord",
    "Attempted",
    "AuditRun",
    "AuditWork",
    "Audits",
    "BatchIndex",
    "Berth",
    "Carriage",
    "ChunkInfo",
    "Copies",
    "Deadline",
    "Deliveries",
    "DeliveryError",
    "DeliveryKind",
    "DeliveryState",
    "DeliveryWork",
    "Ending",
    "Finding",
    "Gates",
    "InputChunk",
    "JobMeta",
    "JobStatus",
    "JobStore",
    "JobTimer",
    "JobWork",
    "Landing",
    "LiveCalls",
    "Manifest",
    "Naming",
    "Note",
    "NoteReader",
    "OnDeadline",
    "Overview",
    "Pools",
    "Priority",
    "Resolved",
    "Ride",
    "RowTally",
    "Segment",
    "SetAside",
    "ShardState",
    "ShardWork",
    "Stage",
    "Timers",
    "TooLarge",
    "Verdict",
    "Wait",
    "WorkQueue",
    "batch_decision",
    "connect",
    "decided_batch",
    "half_of",
    "is_given_up",
    "job_of",
    "ledger_id",
    "open_ledger",
    "overview",
    "pool_of",
    "redis_errors",
    "server_name",
    "shard_id",
]
