"""What a run adds up to, and how it is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from batchline import BatchError, BatchSuccess, ErrorType, TokenUsage
from batchline_ops.demo.exactly_once import Verdict
from batchline_ops.demo.facts import PackageFacts
from batchline_ops.demo.report import print_report
from batchline_ops.demo.summary import DemoSummary, Durations, summarize
from batchline_ops.demo.tally import Tally
from batchline_ops.supervisor import StackState

TRUTH = PackageFacts(
    name="celery", version="5.7.0", summary="Tasks.", license="BSD", min_python="3.10", maturity="stable",
    kind="library", dependencies=3,
)  # fmt: skip
USAGE = TokenUsage(input_tokens=100, output_tokens=10)


def tally() -> Tally:
    """Four requests: one answered rightly, one with another licence, one refused, one without an outcome."""
    counted = Tally()
    counted.truth = dict.fromkeys("abcd", TRUTH)
    counted.add(BatchSuccess(custom_id="a", result=TRUTH, usage=USAGE))
    wrong = TRUTH.model_copy(update={"license": "MIT"})
    counted.add(BatchSuccess(custom_id="b", result=wrong, usage=USAGE))
    counted.add(BatchError(custom_id="c", error_type=ErrorType.REFUSED, error_message="no", usage=USAGE))
    return counted


def summary(*, exactly_once: bool = True, model: str = "openai/gpt-4.1-mini") -> DemoSummary:
    problems = () if exactly_once else ("1 requests have no outcome, such as 'd'",)
    return summarize(
        tally(),
        Verdict(outcomes=3, shards=1, batches=1, problems=problems),
        Durations(start_s=2.0, enqueue_s=0.5, job_s=6.0),
        StackState(
            ready=True, redis_url="redis://127.0.0.1:1/0", broker_url="", flower_url="http://127.0.0.1:2"
        ),
        model=model,
        job_id="job_1",
        data_dir=Path("/data"),
        kept=False,
    )


def test_counts_add_up() -> None:
    found = summary()

    assert (found.requests, found.succeeded, found.errored, found.errors) == (4, 2, 1, {"refused": 1})
    assert (found.tokens.input, found.tokens.output) == (300, 30)
    assert found.elapsed_s == 8.0
    assert found.requests_per_s == 0.5


def test_agreement_is_counted_for_each_field_over_the_successes() -> None:
    agreement = summary().agreement

    assert list(agreement) == list(PackageFacts.model_fields)
    assert agreement["license"] == 50.0
    assert {percent for field, percent in agreement.items() if field != "license"} == {100.0}


def test_a_run_without_a_success_has_no_agreement() -> None:
    assert Tally().agreement() == {}


def test_an_unknown_model_has_no_cost() -> None:
    assert summary(model="openai/no-such-model").cost_usd is None


def test_json_is_one_line_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(summary(), tally().samples, packages=2, as_json=True)

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert json.loads(lines[0]) == summary().model_dump(mode="json")


def test_tables_show_outcomes_agreement_cost_and_samples(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(summary(), tally().samples, packages=2, as_json=False)

    shown = capsys.readouterr().out
    for part in ("succeeded", "refused", "license", "50.0 %", "300 in, 30 out", "✔ Every request"):
        assert part in shown


def test_what_went_wrong_is_shown_instead_of_the_all_clear(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(summary(exactly_once=False), [], packages=2, as_json=False)

    shown = capsys.readouterr().out
    assert "✘ 1 requests have no outcome" in shown
    assert "✔" not in shown


@pytest.mark.parametrize("model", ["openai/no-such-model"])
def test_an_unknown_price_is_said_to_be_unknown(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_report(summary(model=model), [], packages=2, as_json=False)

    assert "unknown" in capsys.readouterr().out
