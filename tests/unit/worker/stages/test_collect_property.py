"""Collecting result files that are mixed up, torn and read twice, up to what the client reads of them.

The invariant: every request gets exactly one outcome. Where a line of its own was delivered, it is what
that line says alone, the first one counting; where none was, it is what the batch's end implies; and the
job's counts are the sums of these.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import fakeredis
import orjson
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from batchline_shared.dialects.registry import dialect
from batchline_shared.ledger import ShardState, Stage
from batchline_shared.outcome_reader import OutcomeReader
from batchline_shared.outcomes import BatchError
from batchline_worker.providers.base import BatchPhase
from batchline_worker.stages import collect
from collect_cases import Case, Tear, cases
from mixed_results import MixedFile, OwnLine, wire_id
from result_downloads import TARGETS, Download, DownloadProvider, Target
from worker_bench import WorkerBench, says

if TYPE_CHECKING:
    from batchline import BatchResult, Job

PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
"""Not shrinking: it runs whole jobs for minutes, and the test's own time-out would come first."""


@dataclass
class Desk:
    """A bench for jobs of one target, with two workers."""

    target: Target
    bench: WorkerBench
    provider: DownloadProvider

    def __post_init__(self) -> None:
        self.other_worker = self.bench.worker()

    def submitted(self, case: Case) -> Job[Any]:
        self.bench.redis.flushall()
        texts = [f"request {row}" for row in range(case.rows)]
        embedded = "embedding" in self.target.endpoint
        requests: Any = texts if embedded else [says(text) for text in texts]
        model: Any = case.model
        job: Job[Any] = self.bench.client.enqueue(
            self.target.model,
            model,
            requests,
            custom_ids=case.names,
            endpoint=self.target.endpoint,
            **({"max_tokens": None, "temperature": None} if embedded else {}),
        )
        self.bench.run(Stage.PLAN, Stage.SUBMIT)
        return job

    def deliver(self, job: Job[Any], case: Case) -> None:
        """Let the newest batch of a job end, with these results."""
        first, shard = self.bench.shards(job)[0], self.bench.shards(job)[-1]
        another = {} if first.id == shard.id else {"another": first.id}
        whole = Download(case.file.for_shard(shard.id, **another), case.piece_bytes)
        self.provider.downloads = deque([*(self.torn(whole, tear) for tear in case.tears), whole])
        self.provider.batches[shard.batch_id] = replace(
            self.provider.batches[shard.batch_id],
            status=str(case.phase),
            phase=case.phase,
            completed=len(case.file.first),
            result_files=("out",),
            errors=case.errors,
        )

    def torn(self, whole: Download, tear: Tear) -> Download:
        torn = replace(
            whole, content=whole.content[: int(tear.share * len(whole.content))], broken=tear.broken
        )
        if tear.overtaken_at is None:
            return torn
        return replace(torn, meanwhile=self.overtake, meanwhile_at=tear.overtaken_at)

    def finish(self, job: Job[Any]) -> None:
        """What `WorkerBench.finish` does, without looking at stages that have nothing to do."""
        self.bench.later(130)
        self.bench.run(Stage.POLL)
        for _ in range(20):
            if not collect.work(self.bench.context):
                self.bench.later(130)
            if self.bench.shards(job)[-1].state == ShardState.DONE:
                break
        self.bench.run(Stage.SETTLE)
        assert job.status().is_final

    def reader(self, job: Job[Any], case: Case) -> OutcomeReader[Any]:
        meta = self.bench.store.meta(job.id)
        return OutcomeReader(dialect(meta.provider, meta.endpoint), case.model, structured=meta.structured)

    def overtake(self) -> None:
        self.bench.later(130)
        collect.work(self.other_worker)


@pytest.fixture(scope="module", params=TARGETS.values(), ids=list(TARGETS))
def desk(request: pytest.FixtureRequest) -> Desk:
    target: Target = request.param
    provider = DownloadProvider(name=target.provider, id_field=target.id_field)
    return Desk(target, WorkerBench(fakeredis.FakeRedis(), provider), provider)


def check_outcome(
    desk: Desk, case: Case, position: int, outcome: BatchResult[Any], reader: OutcomeReader[Any]
) -> None:
    said = case.file.first.get(position)
    if said is None:
        kind, words = case.unanswered(position)
        assert isinstance(outcome, BatchError)
        assert outcome.error_type is kind
        assert words in outcome.error_message
        assert outcome.raw is None
        return
    kept = {**said, desk.target.id_field: outcome.custom_id}
    # Google's echo of the request goes, but where the line is nested too deeply to be written anew.
    if desk.target.provider == "google" and not isinstance(said.get("x_odd"), list):
        kept.pop("request", None)

    alone = reader.line(outcome.custom_id, kept)
    assert outcome == alone.model_copy(update={"attempts": outcome.attempts})
    assert outcome.raw == kept


def check_counts(desk: Desk, case: Case, job: Job[Any], *, structured: bool) -> None:
    speech = dialect(desk.target.provider, desk.target.endpoint)
    verdicts = [speech.classify(said, structured=structured) for said in case.file.first.values()]
    errors = Counter(str(verdict.error_type) for verdict in verdicts if verdict.error_type)
    for position in set(range(case.rows)) - set(case.file.first):
        errors[str(case.unanswered(position)[0])] += 1
    info = job.info()

    assert info.succeeded == sum(verdict.error_type is None for verdict in verdicts)
    assert info.errored == errors.total()
    assert info.errors == errors
    assert info.input_tokens == sum(verdict.input_tokens for verdict in verdicts)
    assert info.output_tokens == sum(verdict.output_tokens for verdict in verdicts)


@settings(max_examples=20, phases=PHASES)
@given(data=st.data())
def test_every_request_ends_as_its_own_first_line_says_or_as_its_batch_did(
    desk: Desk, data: st.DataObject
) -> None:
    case = data.draw(cases(desk.target))
    job = desk.submitted(case)
    desk.deliver(job, case)

    desk.finish(job)

    reader = desk.reader(job, case)
    outcomes = job.results()
    assert [one.custom_id for one in outcomes] == (case.names or [f"request-{n}" for n in range(case.rows)])
    for position, outcome in enumerate(outcomes):
        check_outcome(desk, case, position, outcome, reader)
    check_counts(desk, case, job, structured=desk.bench.store.meta(job.id).structured)


def tried_again(desk: Desk, data: st.DataObject, rows: int) -> tuple[Job[Any], list[int], Case]:
    """A job of which the first batch expired with some rows unrun, and how the second one ends."""
    whole = orjson.dumps({**desk.target.lines[0], desk.target.id_field: ""})
    open_rows = data.draw(st.lists(st.integers(0, rows - 1), min_size=1, unique=True).map(sorted))
    own = [
        OwnLine(row, raw, orjson.loads(raw))
        for row in sorted(set(range(rows)) - set(open_rows))
        for raw in [whole.replace(b'""', b'"%b"' % wire_id(row).encode(), 1)]
    ]
    file = MixedFile(b"\n".join(line.raw for line in own), own)
    expired = Case(rows, None, None, BatchPhase.EXPIRED, (), file)
    job = desk.submitted(expired)
    desk.deliver(job, expired)
    desk.finish(job)
    assert job.retry_failed(["expired"]) == len(open_rows)
    desk.bench.run(Stage.PLAN, Stage.SUBMIT)
    again = data.draw(cases(desk.target, len(open_rows)))._replace(model=None, names=None)
    desk.deliver(job, again)
    return job, open_rows, again


@settings(max_examples=5, phases=PHASES)
@given(data=st.data())
def test_requests_that_are_tried_again_end_as_the_newer_batch_says(desk: Desk, data: st.DataObject) -> None:
    job, open_rows, again = tried_again(desk, data, 5)

    desk.finish(job)

    reader = desk.reader(job, again)
    outcomes = job.results()
    assert [one.custom_id for one in outcomes] == [f"request-{row}" for row in range(5)]
    for position, row in enumerate(open_rows):
        check_outcome(desk, again, position, outcomes[row], reader)
    assert all(outcomes[row].success for row in set(range(5)) - set(open_rows))
    assert job.info().pending == 0


def case_of(desk: Desk, extra: bytes, *, alone: bool) -> Case:
    """A job of two requests, of whose lines the first holds something more."""
    wires = [orjson.dumps({**desk.target.lines[0], desk.target.id_field: wire_id(n)}) for n in range(2)]
    raw = b'{"x_odd":%b,%b' % (extra, wires[0][1:])
    own = [OwnLine(1, wires[1], orjson.loads(wires[1]))]
    own += [OwnLine(0, raw, orjson.loads(raw))] if alone else []
    return Case(2, None, None, BatchPhase.COMPLETED, (), MixedFile(b"\n".join([raw, wires[1]]), own))


def test_a_line_of_5_mb_ends_in_its_outcome(desk: Desk) -> None:
    case = case_of(desk, b'"%b"' % ("\u2028x".encode() * 1_300_000), alone=True)
    job = desk.submitted(case)
    desk.deliver(job, case)

    desk.finish(job)

    for position, outcome in enumerate(job.results()):
        check_outcome(desk, case, position, outcome, desk.reader(job, case))
    assert len(case.file.content) > 5_000_000
    check_counts(desk, case, job, structured=desk.bench.store.meta(job.id).structured)


@pytest.mark.parametrize(
    ("depth", "read"), [(300, True), (1_000, True), (1_022, True), (1_023, False), (5_000, False)]
)
def test_a_line_of_any_depth_leaves_every_outcome_readable(desk: Desk, depth: int, read: bool) -> None:  # noqa: FBT001
    case = case_of(desk, b"[" * depth + b"]" * depth, alone=False)
    job = desk.submitted(case)
    desk.deliver(job, case)

    desk.finish(job)

    deep, other = job.results()
    assert deep.success is read
    assert other.success
    assert job.info().errors == ({} if read else {"missing": 1})
