"""An audit pairs a provider's batches with shards: it adopts, cancels, reports, and touches nobody else's."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import fakeredis
import pytest

from batchline import JobStatus
from batchline_shared.errors import ProviderAuthError, ProviderRejectedError, ProviderUnavailableError
from batchline_shared.ledger import Resolved, ShardState, Stage, Verdict, batch_decision, keys
from batchline_worker.providers.base import BatchPhase, RemoteBatch
from batchline_worker.stages import audit
from scripted_provider import ScriptedProvider, answer_line, lost_reply
from worker_bench import WorkerBench, says

if TYPE_CHECKING:
    from batchline import Job
    from batchline_shared.ledger import AuditRun, Finding, ShardWork


@pytest.fixture
def bench() -> WorkerBench:
    return WorkerBench(fakeredis.FakeRedis(), doubt_after_s=60)


def audited(bench: WorkerBench, *, cancel_orphans: bool = False) -> AuditRun:
    """Audit the account now; how that went."""
    bench.context.audits.note(bench.provider.name, 0)
    bench.context.audits.hasten(bench.provider.name)
    assert audit.audit_due(bench.context, cancel_orphans=cancel_orphans) == 1
    return bench.context.audits.accounts()[0].run


def found(bench: WorkerBench) -> list[Finding]:
    return [finding for _, finding in bench.context.audits.findings()]


def twin(bench: WorkerBench, batch: RemoteBatch, **changes: Any) -> RemoteBatch:
    """Another batch that the provider runs, like this one."""
    other = replace(batch, **{"id": "batch_twin", **changes})
    bench.provider.batches[other.id] = other
    bench.provider.inputs[other.id] = bench.provider.inputs.get(batch.id, b"")
    return other


def the_batch(bench: WorkerBench) -> RemoteBatch:
    (batch,) = bench.provider.batches.values()
    return batch


def lost(bench: WorkerBench, state: ShardState) -> tuple[Job[str], ShardWork]:
    """A job whose batch was made, and whose shard does not know of it."""
    job = bench.enqueue(3)
    bench.run(Stage.PLAN)
    bench.provider.fail("create", lost_reply(), done=True)
    bench.run(Stage.SUBMIT)
    partition = keys.partition_of(job.id)
    shard = bench.shard(job)
    bench.redis.hset(keys.work(partition, shard.id), "state", state)
    if state == ShardState.IN_DOUBT:
        bench.redis.zrem(keys.due(partition, Stage.SUBMIT), shard.id)
    return job, shard


def test_batches_that_are_their_shards_are_left_alone(bench: WorkerBench) -> None:
    jobs = [bench.submitted(2) for _ in range(3)]

    run = audited(bench)

    assert (run.batches, run.paired, run.others, run.findings, run.error) == (3, 3, 0, 0, "")
    assert found(bench) == []
    assert [bench.finish(job) for job in jobs] == [JobStatus.COMPLETED] * 3
    assert bench.provider.calls["cancel"] == 0


@pytest.mark.parametrize("state", [ShardState.IN_DOUBT, ShardState.PENDING, ShardState.UPLOADED])
def test_a_batch_that_its_shard_does_not_know_of_is_given_to_it(
    bench: WorkerBench, state: ShardState
) -> None:
    job, shard = lost(bench, state)
    batch = the_batch(bench)

    assert audited(bench).findings == 1
    bench.run(Stage.SUBMIT)

    assert bench.shard(job).batch_id == batch.id
    (finding,) = found(bench)
    assert (finding.batch_id, finding.shard, finding.verdict) == (batch.id, shard.id, Verdict.LOST)
    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.provider.calls["create"] == 1
    assert audited(bench).findings == 0


def test_a_shard_that_was_about_to_create_again_loses_its_lease_to_the_finding(bench: WorkerBench) -> None:
    job, shard = lost(bench, ShardState.UPLOADED)
    bench.redis.zadd(keys.due(keys.partition_of(job.id), Stage.SUBMIT), {shard.id: 1})
    (leased,) = bench.queue.lease_shards(Stage.SUBMIT, 1)

    audited(bench)

    assert bench.queue.announce(leased) is None
    bench.run(Stage.SUBMIT)
    assert bench.shard(job).state == ShardState.SUBMITTED
    assert bench.provider.calls["create"] == 1


def test_a_creation_that_is_being_looked_for_is_left_to_who_looks(bench: WorkerBench) -> None:
    job, _ = lost(bench, ShardState.SUBMITTING)

    assert audited(bench).findings == 0

    assert bench.shard(job).decision == ""
    assert bench.finish(job) is JobStatus.COMPLETED


def test_a_second_batch_of_a_shard_is_cancelled_and_reported_once(bench: WorkerBench) -> None:
    job = bench.submitted(3)
    second = twin(bench, the_batch(bench))

    assert audited(bench).findings == 1
    assert audited(bench).findings == 0

    assert bench.provider.batches[second.id].phase is BatchPhase.CANCELLING
    (finding,) = found(bench)
    assert (finding.verdict, finding.done, finding.batch_id) == (Verdict.SECOND, "cancelled", second.id)
    assert bench.provider.calls["cancel"] == 1
    assert bench.finish(job) is JobStatus.COMPLETED


def test_a_second_batch_that_has_run_is_reported_all_the_same(bench: WorkerBench) -> None:
    bench.submitted(3)
    twin(bench, the_batch(bench), phase=BatchPhase.COMPLETED, status="completed", completed=3)

    audited(bench)

    assert [one.done for one in found(bench)] == ["none: it is completed"]


def test_a_batch_of_a_shard_that_has_ended_without_one_is_cancelled(bench: WorkerBench) -> None:
    job, shard = lost(bench, ShardState.PENDING)
    job.cancel()
    bench.redis.zadd(keys.due(keys.partition_of(job.id), Stage.SUBMIT), {shard.id: 1})
    bench.run(Stage.SUBMIT)
    assert bench.shard(job).state == ShardState.DONE

    audited(bench)

    assert the_batch(bench).phase is BatchPhase.CANCELLING


def test_a_batch_of_a_cut_that_is_over_is_never_taken_for_the_shards(bench: WorkerBench) -> None:
    job, shard = lost(bench, ShardState.IN_DOUBT)
    bench.redis.hset(keys.work(keys.partition_of(job.id), shard.id), "cuts", 1)

    audited(bench)

    assert bench.shard(job).decision == ""
    assert found(bench)[0].verdict is Verdict.SECOND


def test_one_that_cannot_be_cancelled_is_tried_again_by_the_next_audit(bench: WorkerBench) -> None:
    bench.submitted(3)
    second = twin(bench, the_batch(bench))
    bench.provider.fail("cancel", ProviderUnavailableError("openai", "503"))

    audited(bench)
    assert "not cancelled" in found(bench)[0].done
    audited(bench)

    assert bench.provider.batches[second.id].phase is BatchPhase.CANCELLING
    assert [one.done for one in found(bench)] == ["cancelled"]


@pytest.mark.parametrize(
    "changes",
    [
        {"ledger_id": "0123456789abcdef"},
        {"shard_id": None, "ledger_id": None},
        {"shard_id": "../../x"},
        {"shard_id": "00000000000000000000-0", "ledger_id": None},
    ],
    ids=["another ledger", "no mark", "hostile mark", "unknown job, no ledger"],
)
def test_what_is_not_proven_to_be_of_this_ledger_is_never_touched(
    bench: WorkerBench, changes: dict[str, Any]
) -> None:
    job, _ = lost(bench, ShardState.IN_DOUBT)
    batch = the_batch(bench)
    bench.provider.batches[batch.id] = replace(batch, **changes)

    run = audited(bench, cancel_orphans=True)

    assert (run.batches, run.others, run.findings) == (1, 1, 0)
    assert bench.shard(job).decision == ""
    assert bench.provider.calls["cancel"] == 0


def test_two_installations_with_one_pool_leave_each_other_alone(bench: WorkerBench) -> None:
    job = bench.enqueue(1, linger_s=5)
    for _ in range(3):
        bench.run(Stage.PLAN, Stage.SUBMIT)
        bench.later(8)
    batch = the_batch(bench)
    theirs = twin(bench, batch, ledger_id="0123456789abcdef", input_file_id="file-theirs")
    twin(bench, batch, id="batch_older", ledger_id=None, input_file_id="file-older")

    run = audited(bench)

    assert (run.paired, run.others, run.findings) == (1, 2, 0)
    assert bench.provider.batches[theirs.id] == theirs
    assert bench.finish(job) is JobStatus.COMPLETED


def test_a_batch_whose_shard_is_gone_is_reported_and_cancelled_only_by_a_person(bench: WorkerBench) -> None:
    job = bench.submitted(3)
    bench.redis.delete(keys.work(keys.partition_of(job.id), bench.shard(job).id))

    audited(bench)
    assert found(bench)[0].verdict is Verdict.ORPHAN
    assert "--cancel-orphans" in found(bench)[0].done
    assert bench.provider.calls["cancel"] == 0

    audited(bench, cancel_orphans=True)
    assert found(bench)[0].done == "cancelled"
    assert the_batch(bench).phase is BatchPhase.CANCELLING


def test_a_deleted_jobs_batch_that_has_ended_is_no_finding(bench: WorkerBench) -> None:
    job = bench.submitted(3)
    bench.finish(job)
    bench.run()
    job.delete()
    bench.run()

    assert audited(bench).findings == 0


def test_older_batches_than_the_window_are_not_looked_at(bench: WorkerBench) -> None:
    bench.submitted(3)
    twin(bench, the_batch(bench), created_at_s=time.time() - 4 * 24 * 3600)

    assert audited(bench).batches == 1


@pytest.mark.parametrize(
    "error",
    [ProviderUnavailableError("openai", "503"), ProviderAuthError("openai", "no key")],
    ids=["down", "no key"],
)
def test_an_account_that_cannot_be_read_is_said_so_and_audited_again(
    bench: WorkerBench, error: Exception
) -> None:
    bench.submitted(3)
    bench.provider.fail("listed", error)

    assert audited(bench).error == str(error)
    due_s = bench.due_in_s("audit~openai", Stage.AUDIT)
    assert due_s is not None
    assert 200 < due_s < 400
    assert audited(bench).error == ""


def test_accounts_are_audited_by_themselves_once_they_have_a_batch(bench: WorkerBench) -> None:
    assert bench.context.audits.accounts() == []
    bench.submitted(1)
    due_s = bench.due_in_s("audit~openai", Stage.AUDIT)
    assert due_s is not None
    assert 3200 < due_s < 4000

    bench.later(4000)
    bench.run(Stage.AUDIT)

    (account,) = bench.context.audits.accounts()
    assert (account.route, account.run.paired) == ("openai", 1)
    assert account.ended_ms > 0
    due_s = bench.due_in_s("audit~openai", Stage.AUDIT)
    assert due_s is not None
    assert due_s > 3000


def test_audits_can_be_switched_off() -> None:
    bench = WorkerBench(fakeredis.FakeRedis(), audit_interval_s=None)
    bench.submitted(1)

    assert bench.context.audits.accounts() == []


def test_an_audit_whose_worker_dies_is_taken_over(bench: WorkerBench) -> None:
    job, _ = lost(bench, ShardState.IN_DOUBT)
    bench.provider.fail("listed", KeyboardInterrupt())
    bench.later(5000)

    with pytest.raises(KeyboardInterrupt):
        bench.run(Stage.AUDIT)
    assert bench.run(Stage.AUDIT) == 0
    bench.later(130)
    bench.run(Stage.AUDIT, Stage.SUBMIT)

    assert bench.shard(job).state == ShardState.SUBMITTED


def test_an_audit_that_kills_its_workers_waits_for_the_next_interval(bench: WorkerBench) -> None:
    bench.submitted(1)
    for _ in range(bench.settings.quarantine_after + 1):
        bench.later(5000)
        bench.context.audits.lease(1)
    bench.later(5000)

    bench.run(Stage.AUDIT)

    assert "died over it" in bench.context.audits.accounts()[0].run.error
    assert bench.provider.calls["listed"] == 0


def test_the_newest_findings_are_kept_and_no_more(bench: WorkerBench) -> None:
    bench.submitted(1)
    batch = the_batch(bench)
    for number in range(510):
        twin(bench, batch, id=f"batch_{number + 100}")

    assert audited(bench).findings == 510

    assert bench.redis.zcard(keys.FOUND) == bench.redis.hlen(keys.FINDINGS) == 500


# --- where batches bear no mark --------------------------------------------------------------


@pytest.fixture
def unmarked() -> WorkerBench:
    provider = ScriptedProvider("anthropic", takes_files=False, marks_batches=False)
    return WorkerBench(fakeredis.FakeRedis(), provider)


def ask(bench: WorkerBench) -> Job[str]:
    return bench.client.enqueue("anthropic/claude-sonnet-4-5", None, [says("q"), says("r")])


def test_without_marks_an_ended_batch_is_known_by_its_results(unmarked: WorkerBench) -> None:
    job = ask(unmarked)
    unmarked.run(Stage.PLAN)
    unmarked.provider.fail("create", lost_reply(), done=True)
    unmarked.run(Stage.SUBMIT)
    shard = unmarked.shard(job)
    unmarked.redis.hset(keys.work(keys.partition_of(job.id), shard.id), "state", ShardState.IN_DOUBT)
    unmarked.redis.zrem(keys.due(keys.partition_of(job.id), Stage.SUBMIT), shard.id)

    assert audited(unmarked).others == 1  # it runs: nobody can tell
    unmarked.provider.end_all()
    assert audited(unmarked).findings == 1
    unmarked.run(Stage.SUBMIT)

    assert unmarked.shard(job).unconfirmed
    assert unmarked.shard(job).batch_id == the_batch(unmarked).id
    assert unmarked.provider.calls["create"] == 1


def test_without_marks_another_ones_results_are_opened_once(unmarked: WorkerBench) -> None:
    job = ask(unmarked)
    unmarked.run(Stage.PLAN, Stage.SUBMIT)
    theirs = twin(unmarked, the_batch(unmarked), phase=BatchPhase.COMPLETED, status="ended")
    unmarked.provider.results[theirs.id] = [answer_line("mine-1")] * 3

    runs = [audited(unmarked), audited(unmarked)]

    assert [(run.others, run.findings) for run in runs] == [(1, 0)] * 2
    assert unmarked.provider.calls["lines"] == 1
    assert not job.status().is_final


def test_without_marks_results_that_cannot_be_read_stop_no_audit(unmarked: WorkerBench) -> None:
    jobs = [ask(unmarked), ask(unmarked)]
    unmarked.run(Stage.PLAN)
    unmarked.run(Stage.SUBMIT)
    for name, at in (("batch_archived", 0), ("batch_lost", 1)):
        shard = unmarked.shard(jobs[at])
        batch = unmarked.provider.batches[shard.batch_id]
        twin(unmarked, batch, id=name, phase=BatchPhase.COMPLETED, status="ended", result_files=("out",))
        unmarked.provider.results[name] = [answer_line(f"bl-{shard.id}-0")]
    gone = ProviderRejectedError("anthropic", "the results are archived", status_code=404)
    unmarked.provider.fail("lines", gone)

    run = audited(unmarked)

    assert run.error == ""
    assert [finding.batch_id for finding in found(unmarked)] == ["batch_lost"]


def test_a_record_of_another_type_stops_no_audit(bench: WorkerBench) -> None:
    broken, whole = bench.submitted(1), bench.submitted(1)
    shard = bench.shard(broken)
    work = keys.work(keys.partition_of(broken.id), shard.id)
    bench.redis.delete(work)
    bench.redis.set(work, "not a hash")
    second = twin(bench, bench.provider.batches[bench.shard(whole).batch_id])

    run = audited(bench)

    assert (run.error, run.paired) == ("", 2)
    assert [finding.batch_id for finding in found(bench)] == [second.id]


def test_the_rightful_batch_is_not_cancelled_while_another_one_is_unproven(bench: WorkerBench) -> None:
    job, shard = lost(bench, ShardState.IN_DOUBT)
    ours = the_batch(bench)
    named = twin(bench, ours, id="batch_named", shard_id=None, ledger_id=None, input_file_id=None)
    assert bench.queue.resolve(shard.id, batch_decision(named.id)) is Resolved.NOTED
    bench.run(Stage.SUBMIT)
    assert (bench.shard(job).batch_id, bench.shard(job).unconfirmed) == (named.id, True)

    audited(bench)

    assert found(bench) == []
    assert bench.provider.batches[ours.id].phase is BatchPhase.VALIDATING


@pytest.mark.parametrize("state", [ShardState.PENDING, ShardState.UPLOADED])
def test_a_batch_that_was_listed_is_not_made_again_as_it_is_not_shown(
    bench: WorkerBench, state: ShardState
) -> None:
    job, _ = lost(bench, state)
    audited(bench)
    bench.provider.fail("poll", ProviderRejectedError("openai", "no such batch", status_code=404))

    bench.run(Stage.SUBMIT)

    assert bench.shard(job).state == ShardState.IN_DOUBT
    assert bench.provider.calls["create"] == 1
    audited(bench)
    assert bench.finish(job) is JobStatus.COMPLETED
    assert bench.provider.calls["create"] == 1


def test_a_batch_with_our_mark_and_another_count_is_not_made_again(bench: WorkerBench) -> None:
    job, _ = lost(bench, ShardState.UPLOADED)
    batch = the_batch(bench)
    bench.provider.batches[batch.id] = replace(batch, total=4)  # counts have been seen to be wrong
    audited(bench)

    bench.run(Stage.SUBMIT)

    assert bench.shard(job).state == ShardState.IN_DOUBT
    assert batch.id in bench.shard(job).message
    assert bench.provider.calls["create"] == 1
