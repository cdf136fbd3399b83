"""`batchline batch resolve`: a decision is noted for workers, and refused where nothing is to be decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchline_ops.cli.doctor.ledger_checks import check_ledger, read_overview
from batchline_shared.ledger import ShardState, Stage
from worker_bench import WorkerBench

if TYPE_CHECKING:
    from unit.ops.cli.conftest import Cli


def in_doubt(cli: Cli) -> tuple[str, str]:
    """A job and its shard, of which it cannot be told whether it has a batch."""
    job_id = cli.enqueue(2)
    bench = WorkerBench(cli.client().connection.redis)
    bench.run(Stage.PLAN)
    (shard,) = bench.queue.lease_shards(Stage.SUBMIT, 1)
    bench.queue.release(shard, ShardState.IN_DOUBT, (Stage.SUBMIT, Stage.SUBMIT), None, message="who knows")
    return job_id, shard.id


def test_status_names_the_shard_that_waits_for_a_person(cli: Cli) -> None:
    job_id, shard = in_doubt(cli)

    shown = cli("batch", "status", job_id).out

    assert shard in shown
    assert "in_doubt" in shown
    assert "who knows" in shown


def test_the_doctor_names_the_shard_and_its_job(cli: Cli) -> None:
    job_id, shard = in_doubt(cli)
    cli.enqueue(1)

    redis = cli.client().connection.redis
    found = [finding for finding in check_ledger(redis, read_overview(redis)) if finding.check == "In doubt"]

    assert [finding.detail for finding in found] == [f"{shard} of {job_id}: who knows"]
    assert f"batchline batch resolve {job_id} {shard}" in found[0].advice


@pytest.mark.parametrize("decision", [("--none",), ("--batch", "batch_1")], ids=["none", "batch"])
def test_without_a_worker_the_decision_stands_and_the_code_says_not_ready(
    cli: Cli, decision: tuple[str, ...]
) -> None:
    job_id, shard = in_doubt(cli)

    answer = cli("batch", "resolve", job_id, shard, *decision, "--timeout", "0", "--json")

    assert (answer.code, answer.out) == (4, "")
    assert "the decision stands" in answer.error["message"]
    noted = cli.client().connection.work.shard(shard)
    assert noted is not None
    assert noted.decision == ("none" if decision == ("--none",) else "batch batch_1")


def test_one_that_was_carried_out_before_is_shown_as_it_is(cli: Cli) -> None:
    job_id, shard = in_doubt(cli)
    cli("batch", "resolve", job_id, shard, "--none", "--timeout", "0")
    WorkerBench(cli.client().connection.redis).run(Stage.SUBMIT)

    answer = cli("batch", "resolve", job_id, shard, "--none", "--json")

    assert answer.code == 0
    assert (answer.json["id"], answer.json["batch"]["state"]) == (job_id, "submitted")
    assert "submitted" in cli("batch", "resolve", job_id, shard, "--none").out


@pytest.mark.parametrize("arguments", [(), ("--none", "--batch", "batch_1")], ids=["neither", "both"])
def test_exactly_one_decision_is_to_be_given(cli: Cli, arguments: tuple[str, ...]) -> None:
    job_id, shard = in_doubt(cli)

    assert cli("batch", "resolve", job_id, shard, *arguments).code == 2


def test_what_is_not_in_doubt_or_unknown_is_refused(cli: Cli) -> None:
    job_id, _ = in_doubt(cli)

    assert cli("batch", "resolve", job_id, "another-0", "--none").code == 2
    assert cli("batch", "resolve", "job_0", "another-0", "--none").code == 3
