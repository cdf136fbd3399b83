"""Admission: nobody exceeds an account's limits, everybody gets their turn, and nothing is held for ever."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from admission_time import later
from batchline_shared.ledger.admission import FIRST_STOP_S, OPENS_AT, PROBE_S, REFUSED_S, Admission
from batchline_shared.ledger.admission_records import Admitted, Reason, TooLarge, Use, Wait
from batchline_shared.limits import Budgets

ROUTE, MODEL = "openai@research", "gpt-4.1-mini"
HUNDRED = Budgets(model_tokens=100)


@pytest.fixture
def admission(redis: Any) -> Admission:
    return Admission(redis)


def ask(
    admission: Admission,
    shard: str,
    tokens: int = 50,
    limits: Budgets = HUNDRED,
    *,
    model: str = MODEL,
    flow: str = "",
    weight: float = 1,
    requests: int = 1,
) -> Admitted | Wait | TooLarge:
    return admission.ask(
        ROUTE,
        model,
        shard,
        tokens=tokens,
        requests=requests,
        weight=weight,
        flow=flow or shard.partition("-")[0],
        limits=limits,
    )


def held(admission: Admission) -> list[str]:
    return sorted(holder.shard_id for holder in admission.holders(ROUTE))


def test_shards_are_admitted_while_there_is_room_and_wait_in_line_then(admission: Admission) -> None:
    assert ask(admission, "a-0") == Admitted()
    assert ask(admission, "a-1") == Admitted()
    assert ask(admission, "a-2") == Wait(0, Reason.TOKENS, None)
    assert ask(admission, "a-3") == Wait(1, Reason.TOKENS, None)
    assert admission.snapshot(ROUTE).models[MODEL].tokens == Use(100, 100)


def test_asking_again_keeps_room_and_place(admission: Admission) -> None:
    for shard in ("a-0", "a-1", "a-2", "a-3"):
        ask(admission, shard)

    assert ask(admission, "a-1") == Admitted()
    assert ask(admission, "a-3") == Wait(1, Reason.TOKENS, None)
    assert ask(admission, "a-2") == Wait(0, Reason.TOKENS, None)
    assert admission.snapshot(ROUTE).models[MODEL].tokens.used == 100


def test_room_that_is_given_back_goes_to_the_next_who_is_named_to_be_woken(admission: Admission) -> None:
    for shard in ("a-0", "a-1", "a-2", "a-3"):
        ask(admission, shard)

    assert admission.give_back(ROUTE, "a-0") == ["a-2"]
    assert admission.give_back(ROUTE, "a-0") == []
    assert admission.give_back(ROUTE, "a-9") == []
    assert held(admission) == ["a-1", "a-2"]
    assert ask(admission, "a-2") == Admitted()


def test_a_shard_may_leave_the_queue_and_lets_the_next_through(admission: Admission) -> None:
    ask(admission, "a-0", 60)
    ask(admission, "b-0", 70)
    ask(admission, "c-0", 40, weight=0.1)

    assert admission.give_back(ROUTE, "b-0") == ["c-0"]
    assert held(admission) == ["a-0", "c-0"]


def test_a_small_job_is_next_however_much_a_large_one_has_waiting(admission: Admission) -> None:
    for n in range(20):
        ask(admission, f"big-{n:02}", 100)

    assert isinstance(ask(admission, "small-0", 1), Wait)
    assert admission.give_back(ROUTE, "big-00") == ["small-0"]


def test_a_large_shard_gets_its_room_although_small_jobs_that_fit_keep_coming(admission: Admission) -> None:
    ask(admission, "a-0", 60)
    ask(admission, "large-0", 90)
    ahead = 0
    while ask(admission, f"new{ahead}-0", 10) == Admitted():
        admission.give_back(ROUTE, f"new{ahead}-0")
        ahead += 1

    assert ahead == 8  # as many tokens as the large one has, less one shard
    assert admission.give_back(ROUTE, "a-0")[0] == "large-0"


def test_a_weight_of_two_gets_two_through_for_one(admission: Admission) -> None:
    ask(admission, "first-0", 100)
    for n in range(9):
        ask(admission, f"once-{n}", 100)
        ask(admission, f"twice-{n}", 100, weight=2)
    order = ["first-0"]
    for _ in range(9):
        order += admission.give_back(ROUTE, order[-1])

    assert sum(shard.startswith("twice") for shard in order[1:]) == 6


def test_models_have_room_of_their_own_and_do_not_hold_each_other_up(admission: Admission) -> None:
    ask(admission, "a-0", 100)
    ask(admission, "a-1", 100)

    assert ask(admission, "a-2", 100, model="gpt-5") == Admitted()


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        pytest.param(Budgets(model_requests=10), Reason.REQUESTS, id="requests of a model"),
        pytest.param(Budgets(requests=10), Reason.REQUESTS, id="requests of an account"),
        pytest.param(Budgets(batches=1), Reason.BATCHES, id="batches"),
    ],
)
def test_each_limit_holds_by_itself(admission: Admission, limits: Budgets, reason: Reason) -> None:
    ask(admission, "a-0", limits=limits, requests=6)

    assert ask(admission, "a-1", limits=limits, requests=6) == Wait(0, reason, None)
    assert admission.give_back(ROUTE, "a-0") == ["a-1"]


def test_models_take_turns_for_what_the_account_shares(admission: Admission) -> None:
    one = Budgets(batches=1)
    for model in ("a", "b"):
        for n in range(4):
            ask(admission, f"{model}-{n}", limits=one, model=model)
    order = ["a-0"]
    for _ in range(7):
        order += admission.give_back(ROUTE, order[-1])

    assert order[1:] in (
        ["b-0", "a-1", "b-1", "a-2", "b-2", "a-3", "b-3"],
        ["a-1", "b-0", "a-2", "b-1", "a-3", "b-2", "b-3"],
    )


def test_an_hours_creations_are_counted_whatever_became_of_them(redis: Any, admission: Admission) -> None:
    two = Budgets(creations_per_hour=2)
    for shard in ("a-0", "a-1"):
        ask(admission, shard, limits=two)
        admission.give_back(ROUTE, shard)

    late = ask(admission, "a-2", limits=two)

    assert isinstance(late, Wait)
    assert late.reason == Reason.CREATIONS
    assert late.again_in_s == pytest.approx(3600, abs=30)
    assert admission.snapshot(ROUTE).creations == Use(2, 2)
    later(redis, ROUTE, 3601)
    assert ask(admission, "a-2", limits=two) == Admitted()


def test_what_exceeds_a_limit_alone_is_to_be_cut_and_its_pieces_do_not_pay_twice(
    admission: Admission,
) -> None:
    assert ask(admission, "a-0", 101) == TooLarge(100, None)
    assert ask(admission, "a-0", 1, Budgets(None, 9, 5), requests=6) == TooLarge(None, 5)
    ask(admission, "first-0", 100)
    ask(admission, "large-0", 90)
    ask(admission, "other-0", 50)

    admission.learn(ROUTE, MODEL, limit_tokens=80)

    assert ask(admission, "large-0", 90) == TooLarge(80, None)
    assert isinstance(ask(admission, "large-1", 45), Wait)
    assert admission.give_back(ROUTE, "first-0") == ["large-1"]


def test_a_head_that_a_learned_limit_made_too_large_holds_nobody_up_and_hears_so(
    admission: Admission,
) -> None:
    ask(admission, "a-0", 60)
    ask(admission, "large-0", 90)
    ask(admission, "small-0", 20, weight=0.1)

    assert admission.learn(ROUTE, MODEL, limit_tokens=80) == ["large-0", "small-0"]
    assert held(admission) == ["a-0", "small-0"]


def test_a_refused_shard_keeps_its_place_and_its_model_waits_for_a_batch_to_end(admission: Admission) -> None:
    ask(admission, "a-0", 40)
    ask(admission, "a-1", 40)
    ask(admission, "b-0", 40)

    assert admission.learn(ROUTE, MODEL, shard_id="a-1", limit_tokens=90) == []
    assert held(admission) == ["a-0"]
    refused = ask(admission, "a-1", 40)
    assert isinstance(refused, Wait)
    assert (refused.position, refused.reason) == (0, Reason.REFUSED)
    assert refused.again_in_s == pytest.approx(REFUSED_S, abs=30)
    assert admission.give_back(ROUTE, "a-0") == ["a-1", "b-0"]


def test_a_shard_that_the_limit_proves_too_large_is_to_be_cut_at_once(admission: Admission) -> None:
    ask(admission, "a-0", 90)

    assert admission.learn(ROUTE, MODEL, shard_id="a-0", limit_tokens=50) == ["a-0"]

    assert ask(admission, "a-0", 90) == TooLarge(50, None)
    assert ask(admission, "a-1", 45) == Admitted(), "nothing holds up its parts"


def test_a_refusal_without_a_number_is_over_after_a_while(redis: Any, admission: Admission) -> None:
    ask(admission, "a-0", 40)
    admission.learn(ROUTE, MODEL, shard_id="a-0")

    assert isinstance(ask(admission, "a-0", 40), Wait)
    later(redis, ROUTE, REFUSED_S + 1)
    assert ask(admission, "a-0", 40) == Admitted()


def test_of_a_learned_and_a_configured_limit_the_lower_holds(admission: Admission) -> None:
    ask(admission, "a-0", 1)
    admission.learn(ROUTE, MODEL, limit_tokens=5000, limit_requests=7)
    assert admission.snapshot(ROUTE).models[MODEL].tokens.limit == 100

    admission.learn(ROUTE, MODEL, limit_tokens=50)

    room = admission.snapshot(ROUTE).models[MODEL]
    assert (room.tokens.limit, room.requests.limit) == (50, 7)


def test_a_learned_limit_is_forgotten_after_a_day_or_when_the_settings_say_another(
    redis: Any, admission: Admission
) -> None:
    ask(admission, "a-0", 1)
    admission.learn(ROUTE, MODEL, limit_tokens=50, limit_requests=7)

    ask(admission, "a-0", 1, Budgets(model_tokens=200))
    assert ask(admission, "a-1", 120, Budgets(model_tokens=200)) == Admitted()
    assert admission.snapshot(ROUTE).models[MODEL].requests.limit == 7
    later(redis, ROUTE, 24 * 3600 + 1)
    assert admission.snapshot(ROUTE).models[MODEL].requests.limit is None


def test_estimates_are_corrected_from_usage_within_bounds(admission: Admission) -> None:
    assert admission.factor(ROUTE, MODEL) == 1
    assert admission.refine(ROUTE, MODEL, estimated_tokens=100, actual_tokens=200) == 2
    assert admission.refine(ROUTE, MODEL, estimated_tokens=100, actual_tokens=100) == pytest.approx(1.8)
    assert ask(admission, "a-0", 50) == Admitted()
    assert admission.snapshot(ROUTE).models[MODEL].tokens.used == 90
    assert ask(admission, "a-1", 60) == TooLarge(55, None)
    for _ in range(30):
        admission.refine(ROUTE, MODEL, estimated_tokens=1, actual_tokens=1000)
    assert admission.factor(ROUTE, MODEL) == pytest.approx(4, abs=0.01)
    assert admission.refine(ROUTE, "other", estimated_tokens=1000, actual_tokens=1) == 0.25
    assert admission.refine(ROUTE, "other", estimated_tokens=0, actual_tokens=1) == 0.25


def test_a_pause_holds_up_everybody_and_the_longer_one_counts(redis: Any, admission: Admission) -> None:
    ask(admission, "a-0")
    admission.pause(ROUTE, 90)
    admission.pause(ROUTE, 5)

    assert admission.paused(ROUTE) == pytest.approx(90, abs=30)
    for shard in ("a-0", "a-1"):
        answer = ask(admission, shard)
        assert isinstance(answer, Wait)
        assert answer.reason == Reason.PAUSED
        assert answer.again_in_s == pytest.approx(90, abs=30)
    assert held(admission) == ["a-0"]
    later(redis, ROUTE, 91)
    assert admission.paused(ROUTE) == 0
    assert ask(admission, "a-1") == Admitted()


def test_failures_in_a_row_stop_an_account_for_growing_times(redis: Any, admission: Admission) -> None:
    stops = []
    for _ in range(OPENS_AT + 7):
        stops.append(admission.failed(ROUTE))
        later(redis, ROUTE, 601)

    assert stops == [0, 0, 30, 60, 120, 240, 480, 600, 600, 600]


def test_calls_that_fail_while_an_account_is_stopped_make_it_no_longer(admission: Admission) -> None:
    stops = [admission.failed(ROUTE) for _ in range(OPENS_AT + 20)]

    assert 0 < stops[-1] <= FIRST_STOP_S


def test_a_success_between_failures_starts_the_count_anew(admission: Admission) -> None:
    for _ in range(10):
        admission.failed(ROUTE)
        admission.failed(ROUTE)
        admission.succeeded(ROUTE)

    assert admission.paused(ROUTE) == 0


def test_after_a_stop_one_shard_tries_the_account_until_it_succeeds(redis: Any, admission: Admission) -> None:
    ask(admission, "a-0", 10)
    for _ in range(OPENS_AT):
        admission.failed(ROUTE)
    assert isinstance(ask(admission, "a-0", 10), Wait)
    later(redis, ROUTE, FIRST_STOP_S + 1)

    assert ask(admission, "b-0", 10) == Admitted()
    assert ask(admission, "b-0", 10) == Admitted()
    waiting = ask(admission, "a-0", 10)
    assert isinstance(waiting, Wait)
    assert waiting.reason == Reason.OUTAGE
    admission.succeeded(ROUTE)
    assert ask(admission, "a-0", 10) == Admitted()


@pytest.mark.parametrize("end", ["its worker died", "it was given back"])
def test_a_shard_that_was_to_try_and_does_not_lets_another_try(
    redis: Any, admission: Admission, end: str
) -> None:
    ask(admission, "a-0", 10)
    for _ in range(OPENS_AT):
        admission.failed(ROUTE)
    later(redis, ROUTE, FIRST_STOP_S + 1)
    assert ask(admission, "b-0", 10) == Admitted()

    if end == "its worker died":
        later(redis, ROUTE, PROBE_S + 1)
    else:
        admission.give_back(ROUTE, "b-0")

    assert ask(admission, "a-0", 10) == Admitted()


def test_a_sweep_frees_what_nobody_will_give_back_and_nothing_else(admission: Admission) -> None:
    for shard in ("a-0", "a-1", "gone-0", "b-0"):
        ask(admission, shard)

    assert admission.sweep(ROUTE, lambda shard: shard not in {"a-0", "gone-0"}) == ["b-0"]
    assert held(admission) == ["a-1", "b-0"]
    assert admission.sweep(ROUTE, lambda _: True) == []


def test_a_sweep_spares_a_shard_that_came_back_while_it_looked(admission: Admission) -> None:
    ask(admission, "a-0", 10)

    def comes_back(shard: str) -> bool:
        admission.give_back(ROUTE, shard)
        ask(admission, shard, 20)
        return False

    assert admission.sweep(ROUTE, comes_back) == []
    assert held(admission) == ["a-0"]


def test_nothing_is_left_but_what_an_account_was_taught(redis: Any, admission: Admission) -> None:
    limits = Budgets(100, 100, 100, 5, 50)
    for n in range(12):
        ask(admission, f"{n % 3}-{n}", 30, limits, model=f"m{n % 2}")
    for n in range(12):
        admission.give_back(ROUTE, f"{n % 3}-{n}")
    later(redis, ROUTE, 3601)
    ask(admission, "last-0", 30, limits)
    admission.give_back(ROUTE, "last-0")
    later(redis, ROUTE, 3601)
    ask(admission, "last-0", 30)
    admission.give_back(ROUTE, "last-0")

    left = sorted(name.decode().rpartition(":")[2] for name in redis.scan_iter())

    assert left == ["seen", "state"]
    assert {field.decode().partition(" ")[0] for field in redis.hkeys(redis.keys("*state")[0])} <= {
        "limits",
        "clock",
        "turn",
    }


def test_a_great_many_are_admitted_in_bounded_steps(redis: Any, admission: Admission) -> None:
    admission.pause(ROUTE, 60)
    for n in range(200):
        ask(admission, f"a-{n:03}", 1)
    later(redis, ROUTE, 61)

    last = ask(admission, "a-199", 1, Budgets())

    assert isinstance(last, Wait)
    assert (last.position, last.reason) == (135, Reason.TURN)
    assert len(last.wake) == 64


def test_competing_workers_admit_no_more_than_there_is_room_for(redis: Any, admission: Admission) -> None:
    answers: list[Admitted | Wait | TooLarge] = []

    def compete(worker: int) -> None:
        mine = Admission(redis)
        answers.extend(ask(mine, f"{worker}-{n}", 10) for n in range(20))

    threads = [threading.Thread(target=compete, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(held(admission)) == 10
    assert admission.snapshot(ROUTE).models[MODEL].waiting == 70
    assert len(answers) == 80
