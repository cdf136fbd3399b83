"""Each kind of fault of Anthropic's side, as its SDK meets it."""

import json
from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
import pytest

from anthropic_bench import AnthropicBench, tool
from batchline_simulator import SimulatorProcess


def accepted(simulator: SimulatorProcess, first_custom_id: str) -> int:
    return sum(batch["first_custom_id"] == first_custom_id for batch in simulator.batches())


@pytest.mark.parametrize(("options", "times"), [({"max_retries": 2}, 3), ({"max_retries": 0}, 1)])
def test_lost_replies_start_one_batch_per_attempt_of_the_sdk(
    simulator: SimulatorProcess,
    open_claude: Callable[..., AnthropicBench],
    options: dict[str, Any],
    times: int,
) -> None:
    claude, before = open_claude(simulator, **options), len(simulator.calls("anthropic.batches.create"))
    simulator.arm({"call": "anthropic.batches.create", "kind": "drop_after", "times": 3})
    with pytest.raises(anthropic.APIConnectionError):
        claude.create([claude.request(f"lost-{times}")])
    posts = [entry["retry_count"] for entry in simulator.calls("anthropic.batches.create")[before:]]

    assert posts == [str(n) for n in range(times)]
    assert accepted(simulator, f"lost-{times}") == times


def test_slow_reply_starts_a_batch_that_the_client_gave_up_on(
    simulator: SimulatorProcess, open_claude: Callable[..., AnthropicBench]
) -> None:
    claude = open_claude(simulator, timeout=1.0)
    simulator.arm({"call": "anthropic.batches.create", "kind": "delay_after", "seconds": 4})
    with pytest.raises(anthropic.APITimeoutError):
        claude.create([claude.request("slow")])

    assert accepted(simulator, "slow") == 1


@pytest.mark.parametrize(
    ("kind", "error", "name", "times"),
    [
        ("drop_before", anthropic.APIConnectionError, None, 0),
        ("error_before", anthropic.InternalServerError, "api_error", 0),
        ("error_after", anthropic.InternalServerError, "api_error", 1),
        ("bad_gateway", anthropic.InternalServerError, None, 0),
        ("unavailable", anthropic.OverloadedError, "overloaded_error", 0),
        ("rate_limit", anthropic.RateLimitError, "rate_limit_error", 0),
        ("quota", anthropic.PaymentRequiredError, "billing_error", 0),
        ("unauthorized", anthropic.AuthenticationError, "authentication_error", 0),
    ],
)
def test_failed_create_has_an_effect_only_where_the_fault_says_after(
    simulator: SimulatorProcess,
    claude: AnthropicBench,
    kind: str,
    error: type[anthropic.APIError],
    name: str | None,
    times: int,
) -> None:
    simulator.arm({"call": "anthropic.batches.create", "kind": kind})
    with pytest.raises(error) as caught:
        claude.create([claude.request(kind)])

    assert getattr(caught.value, "type", None) == name
    assert accepted(simulator, kind) == times


def test_headers_for_retries_are_sent(simulator: SimulatorProcess, claude: AnthropicBench) -> None:
    simulator.arm(
        {"call": "anthropic.batches.list", "kind": "rate_limit", "retry_after": 3600, "should_retry": False}
    )
    with pytest.raises(anthropic.RateLimitError) as caught:
        claude.client.messages.batches.list()

    assert caught.value.response.headers["retry-after"] == "3600"
    assert caught.value.response.headers["x-should-retry"] == "false"


def test_page_of_a_proxy_comes_with_status_200(simulator: SimulatorProcess, claude: AnthropicBench) -> None:
    batch = claude.run([claude.request("r")])
    simulator.arm({"call": "anthropic.batches.retrieve", "kind": "html"})

    assert isinstance(claude.client.messages.batches.retrieve(batch.id), str)


def test_new_batch_is_left_out_of_lists_for_a_while(
    simulator: SimulatorProcess, claude: AnthropicBench
) -> None:
    simulator.arm({"call": "anthropic.batches.create", "kind": "list_lag", "seconds": 3})
    batch = claude.run([claude.request("r")])
    hidden = [seen.id for seen in claude.client.messages.batches.list(limit=1).data]

    assert hidden != [batch.id]
    while claude.client.messages.batches.list(limit=1).data[0].id != batch.id:
        pass


def test_expired_batch_keeps_what_was_done(simulator: SimulatorProcess, claude: AnthropicBench) -> None:
    simulator.arm({"call": "anthropic.batches.create", "kind": "expire", "fraction": 0.3})
    batch = claude.run([claude.request(str(n)) for n in range(10)])
    kinds = [result["type"] for result in claude.results(batch).values()]

    assert (kinds.count("succeeded"), kinds.count("expired")) == (7, 3)
    assert (batch.request_counts.succeeded, batch.request_counts.expired) == (7, 3)


def test_archived_batch_is_shown_without_its_results(
    simulator: SimulatorProcess, claude: AnthropicBench
) -> None:
    simulator.arm({"call": "anthropic.batches.create", "kind": "archived"})
    batch = claude.run([claude.request("r")])

    assert batch.archived_at is not None
    with pytest.raises(anthropic.NotFoundError, match="no longer available"):
        claude.client.messages.batches.results(batch.id)


def test_all_requests_fail(simulator: SimulatorProcess, claude: AnthropicBench) -> None:
    simulator.arm({"call": "anthropic.batches.create", "kind": "all_failed"})
    batch = claude.run([claude.request(str(n)) for n in range(4)])

    assert (batch.request_counts.errored, batch.request_counts.succeeded) == (4, 0)


def test_odd_replies_pass_through_the_sdk(simulator: SimulatorProcess, claude: AnthropicBench) -> None:
    batch = claude.run([claude.request("r")])
    simulator.arm(
        {"call": "anthropic.batches.retrieve", "kind": "unknown_status", "value": "paused"},
        {"call": "anthropic.batches.retrieve", "kind": "missing_counts"},
    )
    odd = claude.client.messages.batches.retrieve(batch.id).to_dict()

    assert (odd["processing_status"], "request_counts" in odd) == ("paused", False)
    assert claude.client.messages.batches.retrieve(batch.id).processing_status == "ended"


def test_results_are_spoiled_once_and_then_whole(simulator: SimulatorProcess, claude: AnthropicBench) -> None:
    batch = claude.run([claude.request(str(n)) for n in range(3)])
    whole, spoiled = claude.content(batch).content, {}
    for kind in ("truncated", "bom", "crlf", "blank_line"):
        simulator.arm({"call": "anthropic.batches.results", "kind": kind})
        spoiled[kind] = claude.content(batch).content

    assert whole.startswith(spoiled["truncated"])
    assert len(whole) > len(spoiled["truncated"])
    assert spoiled["bom"] == b"\xef\xbb\xbf" + whole
    assert spoiled["crlf"] == whole.replace(b"\n", b"\r\n")
    assert spoiled["blank_line"].replace(b"\n\n", b"\n") == b"\n" + whole
    assert claude.content(batch).content == whole


def test_results_are_cut_or_missing_for_a_while(simulator: SimulatorProcess, claude: AnthropicBench) -> None:
    batch = claude.run([claude.request(str(n)) for n in range(3)])
    simulator.arm({"call": "anthropic.batches.results", "kind": "not_found"})
    with pytest.raises(anthropic.NotFoundError):
        claude.client.messages.batches.results(batch.id)
    simulator.arm({"call": "anthropic.batches.results", "kind": "cut"})
    with pytest.raises((httpx2.HTTPError, anthropic.APIConnectionError, json.JSONDecodeError)):
        list(claude.client.messages.batches.results(batch.id))

    assert len(claude.results(batch)) == 3


@pytest.mark.parametrize(
    ("kind", "error_type"),
    [
        ("bad_request", "invalid_request_error"),
        ("rate_limit", "rate_limit_error"),
        ("insufficient_quota", "billing_error"),
        ("server_error", "api_error"),
        ("status_zero", "api_error"),
        ("overloaded", "overloaded_error"),
    ],
)
def test_errored_row_nests_its_error_two_levels(claude: AnthropicBench, kind: str, error_type: str) -> None:
    result = claude.result(messages=[{"role": "user", "content": f"[[fault:{kind}]]"}])

    assert result["type"] == "errored"
    assert result["error"]["type"] == "error"
    assert result["error"]["error"]["type"] == error_type


def test_rows_end_in_results_that_are_odd(claude: AnthropicBench) -> None:
    kinds = ["flat_error", "expired_row", "canceled_row", "unknown_result"]
    batch = claude.run([claude.request(kind, f"[[fault:{kind}]]") for kind in kinds])
    lines = [json.loads(line) for line in claude.content(batch).content.split(b"\n")]
    results = {line["custom_id"]: line["result"] for line in lines}

    assert results["flat_error"]["error"] == {"type": "overloaded_error", "message": "Overloaded"}
    assert results["expired_row"] == {"type": "expired"}
    assert results["canceled_row"] == {"type": "canceled"}
    assert results["unknown_result"]["type"] not in ("succeeded", "errored", "expired", "canceled")
    assert sum(batch.request_counts.to_dict().values()) == 4  # type: ignore[arg-type]  # numbers, to mypy objects


def test_answers_break_each_in_its_own_way(claude: AnthropicBench) -> None:
    kinds = ["refusal", "content_filter", "length", "not_json", "schema_violation", "fenced_json"]
    results = claude.results(claude.run([claude.request(kind, f"[[fault:{kind}]]") for kind in kinds]))
    messages = {kind: results[kind]["message"] for kind in kinds}
    texts = {kind: messages[kind]["content"][0]["text"] for kind in kinds[2:]}

    for kind in ("refusal", "content_filter"):
        assert (messages[kind]["stop_reason"], messages[kind]["content"]) == ("refusal", [])
        assert messages[kind]["stop_details"]["type"] == "refusal"
    assert messages["length"]["stop_reason"] == "max_tokens"
    for kind in ("length", "not_json", "fenced_json"):
        with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
            json.loads(texts[kind])
    assert json.loads(texts["schema_violation"]) == {"unexpected": True}


@pytest.mark.parametrize(
    ("kind", "stop_reason"),
    [
        ("length", "max_tokens"),
        ("context_window", "model_context_window_exceeded"),
        ("pause", "pause_turn"),
    ],
)
def test_answer_that_is_cut_short_says_why(claude: AnthropicBench, kind: str, stop_reason: str) -> None:
    turns = [{"role": "user", "content": f"[[fault:{kind}]]"}]
    text = claude.message(messages=turns)
    used = claude.message(messages=turns, tools=[tool()], output_config=None)

    assert text["stop_reason"] == used["stop_reason"] == stop_reason
    assert used["content"][0]["input"] == {}
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        json.loads(text["content"][0]["text"])


def test_model_talks_instead_of_using_its_tool(claude: AnthropicBench) -> None:
    message = claude.message(
        tools=[tool()],
        tool_choice={"type": "tool", "name": "film"},
        output_config=None,
        messages=[{"role": "user", "content": "[[fault:not_json]]"}],
    )

    assert [block["type"] for block in message["content"]] == ["text"]
    assert message["stop_reason"] == "end_turn"


def test_model_talks_before_it_uses_its_tool(claude: AnthropicBench) -> None:
    message = claude.message(
        tools=[tool()], output_config=None, messages=[{"role": "user", "content": "[[fault:commentary]]"}]
    )

    assert [block["type"] for block in message["content"]] == ["text", "tool_use"]


def test_lines_go_missing_double_or_astray(claude: AnthropicBench) -> None:
    kinds = ["missing_line", "duplicate_line", "foreign_custom_id", "missing_custom_id"]
    batch = claude.run([claude.request(kind, f"[[fault:{kind}]]") for kind in kinds])
    lines = [json.loads(line) for line in claude.content(batch).content.split(b"\n")]

    assert sorted(line.get("custom_id", "none") for line in lines) == [
        "duplicate_line",
        "duplicate_line",
        "foreign-foreign_custom_id",
        "none",
    ]
    assert batch.request_counts.succeeded == 4


def test_marked_row_succeeds_at_the_attempt_that_its_count_says(claude: AnthropicBench) -> None:
    text = "[[fault:overloaded:2]] only this test sends this"
    outcomes = [claude.run([claude.request(f"r{n}", text)]).request_counts.succeeded for n in range(3)]

    assert outcomes == [0, 0, 1]


def test_rate_breaks_a_part_of_the_rows(simulator: SimulatorProcess, claude: AnthropicBench) -> None:
    simulator.arm({"call": "row", "kind": "overloaded", "rate": 0.3})
    batch = claude.run([claude.request(str(n)) for n in range(200)])

    assert 30 < batch.request_counts.errored < 90
