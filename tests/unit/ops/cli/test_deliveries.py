"""`batchline batch deliveries`: who was told, every attempt, and what is next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchline_shared.ledger import Attempted, Deliveries, DeliveryState, Ending, Stage

if TYPE_CHECKING:
    from unit.ops.cli.conftest import Cli

COUNTS = {"total": 1, "succeeded": 1, "errored": 0}


def ended(cli: Cli) -> str:
    """A job that has ended, whose webhook failed once and whose task was delivered."""
    job_id = cli.enqueue(1, on_complete="shop.done", webhook="shop")
    connection = cli.client().connection
    work = connection.work
    (job,) = work.lease_jobs(Stage.PLAN, 1)
    work.plan_done(job)
    (job,) = work.lease_jobs(Stage.SETTLE, 1)
    ending = Ending("shop.done", "shop", "completed", COUNTS, 1)
    assert work.close_job(job, retention_s=0, clean_after_s=None, counts={}, ending=ending)
    for one in work.lease_deliveries(2):
        failed = one.kind == "webhook"
        log = one.with_attempt(Attempted(1_764_000_000_000, *((503, "status") if failed else (None, None))))
        state = DeliveryState.PENDING if failed else DeliveryState.DELIVERED
        message = "[red]the endpoint answered with 503" if failed else ""
        wait_s = 300.0 if failed else None
        Deliveries(connection.redis).note(one, state, wait_s, tries=1, attempts=log, message=message)
    return job_id


def test_json_has_every_attempt_and_the_next_one(cli: Cli) -> None:
    task, webhook = cli("batch", "deliveries", ended(cli), "--json").json["deliveries"]

    assert (task["kind"], task["target"], task["state"], task["next_try_at"]) == (
        *("task", "shop.done", "delivered"),
        None,
    )
    assert (webhook["kind"], webhook["status"], webhook["state"]) == ("webhook", "completed", "pending")
    (attempt,) = webhook["attempts"]
    assert (attempt["status_code"], attempt["error"], attempt["at"]) == (
        503,
        "status",
        "2025-11-24T16:00:00Z",
    )
    assert webhook["next_try_at"] is not None


def test_people_see_the_same_and_no_markup_is_read(cli: Cli) -> None:
    shown = cli("batch", "deliveries", ended(cli)).out

    for text in ("webhook shop", "task shop.done", "status 503", "pending", "delivered", "next 20"):
        assert text in shown
    assert "[red]the endpoint answered with 503" in shown


def test_a_job_that_has_told_nobody_says_so(cli: Cli) -> None:
    answer = cli("batch", "deliveries", cli.enqueue(1))

    assert (answer.code, answer.out) == (0, "")
    assert "has told nobody" in answer.err


def test_an_unknown_job_has_its_own_exit_code(cli: Cli) -> None:
    assert cli("batch", "deliveries", "job_0").code == 3
