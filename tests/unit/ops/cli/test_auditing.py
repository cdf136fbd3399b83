"""`batchline doctor --audit` and `batch release`: what they print, and what their exit codes say."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import fakeredis
import pytest

from batchline_ops.cli.doctor.auditing import run_audits
from batchline_ops.cli.doctor.ledger_checks import check_ledger, read_overview
from batchline_ops.cli.exit_codes import ExitCode
from batchline_shared.errors import ProviderUnavailableError
from batchline_shared.ledger import Stage, keys
from worker_bench import WorkerBench

if TYPE_CHECKING:
    from batchline_ops.cli.doctor.findings import Finding
    from unit.ops.cli.conftest import Cli


@pytest.fixture
def bench() -> WorkerBench:
    return WorkerBench(fakeredis.FakeRedis())


def doubled(bench: WorkerBench) -> str:
    """A shard with a second batch; the second one's id."""
    bench.submitted(2)
    (batch,) = bench.provider.batches.values()
    bench.provider.batches["batch_2nd"] = replace(batch, id="batch_2nd")
    return "batch_2nd"


def audited(bench: WorkerBench, capsys: pytest.CaptureFixture[str], **options: Any) -> tuple[ExitCode, Any]:
    code = run_audits(bench.context, **{"cancel_orphans": False, "as_json": True, **options})
    return code, json.loads(capsys.readouterr().out.splitlines()[-1])


def checks_of(bench: WorkerBench) -> list[Finding]:
    return check_ledger(bench.redis, read_overview(bench.redis))


def test_what_was_mended_is_shown_and_all_is_well(
    bench: WorkerBench, capsys: pytest.CaptureFixture[str]
) -> None:
    second = doubled(bench)

    code, said = audited(bench, capsys)

    assert code is ExitCode.OK
    assert said["ok"] is True
    assert said["accounts"] == [
        {"account": "openai", "batches": 2, "paired": 1, "others": 0, "findings": 1, "error": None}
    ]
    (finding,) = said["findings"]
    assert (finding["batch"], finding["verdict"], finding["done"]) == (second, "second", "cancelled")


def test_people_see_a_table(bench: WorkerBench, capsys: pytest.CaptureFixture[str]) -> None:
    second = doubled(bench)

    run_audits(bench.context, cancel_orphans=False, as_json=False)

    shown = capsys.readouterr().out
    for text in ("Account", "openai", second, "second", "cancelled"):
        assert text in shown


def test_an_orphan_is_left_to_do_until_a_person_has_it_cancelled(
    bench: WorkerBench, capsys: pytest.CaptureFixture[str]
) -> None:
    job = bench.submitted(2)
    bench.redis.delete(keys.work(keys.partition_of(job.id), bench.shard(job).id))

    assert audited(bench, capsys)[0] is ExitCode.UNHEALTHY
    assert audited(bench, capsys, cancel_orphans=True)[0] is ExitCode.OK


def test_an_account_that_cannot_be_read_is_unhealthy(
    bench: WorkerBench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.submitted(2)
    bench.provider.fail("listed", ProviderUnavailableError("openai", "503"))

    code, said = audited(bench, capsys)

    assert (code, said["accounts"][0]["error"]) == (ExitCode.UNHEALTHY, "openai: 503")
    (check,) = [one for one in checks_of(bench) if one.check == "Audit of openai"]
    assert (check.level, check.detail) == ("warn", "openai: 503")


def test_without_any_batch_there_is_nothing_to_audit(
    bench: WorkerBench, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_audits(bench.context, cancel_orphans=False, as_json=False) is ExitCode.OK
    assert "nothing to audit" in capsys.readouterr().err


def test_the_doctor_tells_of_findings_and_of_what_is_set_aside(
    bench: WorkerBench, capsys: pytest.CaptureFixture[str]
) -> None:
    second = doubled(bench)
    audited(bench, capsys)
    (shard,) = (one for job in bench.client.jobs() for one in bench.queue.shards_of(job.id))
    bench.poll_now(shard.id)
    (leased,) = bench.queue.lease_shards(Stage.POLL, 1)
    bench.queue.set_aside(leased, Stage.POLL, "it kills")

    checks = {one.check: one for one in checks_of(bench)}

    assert second in checks["Audit"].detail
    assert f"{shard.id} (stage poll" in checks["Set aside"].detail
    assert checks["Set aside"].detail.endswith(": it kills")
    assert "batch release" in checks["Set aside"].advice


def test_an_audit_that_waits_for_workers_is_no_late_work(bench: WorkerBench) -> None:
    bench.finish(bench.submitted(1))
    bench.later(24 * 3600)
    bench.run(*(stage for stage in Stage if stage is not Stage.AUDIT))
    assert read_overview(bench.redis).oldest_due_s["audit"] > 3600  # type: ignore[union-attr]

    (check,) = [one for one in checks_of(bench) if one.check == "Due work"]

    assert check.level == "ok"


def test_orphans_are_cancelled_with_an_audit_only(cli: Cli) -> None:
    assert cli("doctor", "--cancel-orphans").code == 2


# --- batch release -----------------------------------------------------------------------------


def quarantined(cli: Cli) -> tuple[str, str]:
    job_id = cli.enqueue(2)
    bench = WorkerBench(cli.client().connection.redis)
    bench.run(Stage.PLAN)
    (shard,) = bench.queue.lease_shards(Stage.SUBMIT, 1)
    bench.queue.set_aside(shard, Stage.SUBMIT, "it kills")
    return job_id, shard.id


def test_status_shows_what_is_quarantined_and_release_has_it_worked_on_again(cli: Cli) -> None:
    job_id, shard = quarantined(cli)
    shown = cli("batch", "status", job_id).out
    assert shard in shown
    assert "quarantined" in shown
    assert "it kills" in shown

    answer = cli("batch", "release", job_id, "--json")

    assert (answer.code, answer.json) == (0, {"id": job_id, "released": [shard]})
    (part,) = cli("batch", "status", job_id, "--json").json["batches"]
    assert part["state"] == "pending"
    assert cli("batch", "release", job_id).code == 2


def test_what_is_given_up_has_to_be_named(cli: Cli) -> None:
    job_id, shard = quarantined(cli)

    assert cli("batch", "release", job_id, "--give-up").code == 2
    answer = cli("batch", "release", job_id, shard, "--give-up")

    assert answer.code == 0
    assert f"{shard} given up" in answer.err
