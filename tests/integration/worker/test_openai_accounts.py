"""Accounts of OpenAI's API side by side, and servers like OpenAI: a job's whole way, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from batchline import BatchError, BatchSuccess, ErrorType
from batchline_shared.accounts import Account
from batchline_simulator import SimulatorConfig, SimulatorProcess, running_simulator
from pipeline import pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from batchline import Job
    from pipeline import Pipeline

OURS, THEIRS = "BATCHLINE_TEST_KEY", "BATCHLINE_TEST_OTHER_KEY"

QUIRKS = {
    "shapes": "bare-ids null-counts no-object no-has-more extra-keys odd-statuses empty-error-file "
    "no-error-key string-body mistakes-404",
    "paths": "no-counts links uppercase-statuses bare-paths mistakes-422",
    "failing": "bare-ids no-has-more no-object links odd-statuses uppercase-statuses mistakes-500",
}


class User(BaseModel):
    name: str
    age: int


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OURS, "sk-ours")
    monkeypatch.setenv(THEIRS, "sk-theirs")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-usual")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def simulated(folder: Path, key: str = "sk-ours", **config: Any) -> AbstractContextManager[SimulatorProcess]:
    keys = frozenset({key})
    return running_simulator(SimulatorConfig(data_dir=folder, speed=0, api_keys=keys, **config))


def says(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def answers(job: Job[Any]) -> list[Any]:
    outcomes = job.results()
    assert [outcome for outcome in outcomes if not isinstance(outcome, BatchSuccess)] == []
    return [outcome.result for outcome in outcomes if isinstance(outcome, BatchSuccess)]


def accounts(**named: Account) -> dict[str, Account]:
    return named


def account(server: SimulatorProcess, key: str = OURS, **fields: Any) -> Account:
    return Account(base_url=server.base_url, api_key_env=key, **fields)


def test_two_accounts_and_the_usual_one_run_side_by_side_each_with_its_own_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        simulated(tmp_path / "ours") as ours,
        simulated(tmp_path / "theirs", "sk-theirs") as theirs,
        simulated(tmp_path / "usual", "sk-usual") as usual,
    ):
        monkeypatch.setenv("OPENAI_BASE_URL", usual.base_url)
        named = accounts(research=account(ours), partner=account(theirs, THEIRS))
        with pipeline(accounts=named) as line:
            jobs = [
                line.client.enqueue(f"{route}/gpt-4o-mini", User, [says("hi")] * count)
                for route, count in (("openai@research", 3), ("openai@partner", 4), ("openai", 5))
            ]
            line.finish(*jobs)

            assert [len(answers(job)) for job in jobs] == [3, 4, 5]
        counts = [[batch["request_counts"]["total"] for batch in s.batches()] for s in (ours, theirs, usual)]
        assert counts == [[3], [4], [5]]


def test_an_accounts_limits_cut_its_jobs_and_no_others(tmp_path: Path) -> None:
    with simulated(tmp_path) as server:
        named = accounts(small=account(server, max_requests=4), large=account(server))
        with pipeline(accounts=named) as line:
            small, large = (
                line.client.enqueue(f"openai@{name}/gpt-4o-mini", None, [says("hi")] * 10)
                for name in ("small", "large")
            )
            line.finish(small, large)

            assert [len(job.batches()) for job in (small, large)] == [3, 1]
            assert [len(answers(job)) for job in (small, large)] == [10, 10]


@pytest.fixture(params=QUIRKS)
def like_openai(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[Pipeline, SimulatorProcess]]:
    """A pipeline to a server that is only like OpenAI."""
    quirks = frozenset(QUIRKS[request.param].split())
    prefix = "" if "bare-paths" in quirks else "/v1"
    with (
        simulated(tmp_path, quirks=quirks) as server,
        pipeline(
            accounts=accounts(alike=account(server, path_prefix=prefix)),
            create_timeout_s=1,
            reconcile_quiet_s=1,
        ) as line,
    ):
        yield line, server


def test_a_server_that_is_only_like_openai_loses_no_row(
    like_openai: tuple[Pipeline, SimulatorProcess],
) -> None:
    line, server = like_openai
    texts = ("a", "[[fault:bad_request]]", "c")

    job = line.client.enqueue("openai@alike/gpt-4o-mini", User, [says(text) for text in texts])
    line.finish(job)

    good, bad, also_good = sorted(job.results(), key=lambda outcome: outcome.custom_id)
    assert isinstance(good, BatchSuccess)
    assert isinstance(bad, BatchError)
    assert bad.error_type is ErrorType.INVALID_REQUEST
    assert isinstance(also_good, BatchSuccess)
    assert len(server.batches()) == 1


def test_a_create_whose_answer_is_lost_is_found_again_at_a_server_like_openai(
    like_openai: tuple[Pipeline, SimulatorProcess],
) -> None:
    line, server = like_openai
    server.arm({"call": "batches.create", "kind": "drop_after"})

    job = line.client.enqueue("openai@alike/gpt-4o-mini", User, [says("hi")])
    line.finish(job)

    assert len(answers(job)) == 1
    assert len(server.batches()) == 1
