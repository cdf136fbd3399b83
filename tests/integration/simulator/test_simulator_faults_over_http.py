"""Each kind of fault, as the SDK meets it."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx2
import openai
import pytest

from batchline_simulator import SimulatorProcess


def created(simulator: SimulatorProcess, file_id: str) -> int:
    return sum(batch["input_file_id"] == file_id for batch in simulator.batches())


def posts(simulator: SimulatorProcess, before: int) -> list[str | None]:
    return [entry["retry_count"] for entry in simulator.calls("batches.create")[before:]]


@pytest.mark.parametrize(("options", "times"), [({"max_retries": 2}, 3), ({"max_retries": 0}, 1)])
def test_lost_replies_start_one_batch_per_attempt_of_the_sdk(
    simulator: SimulatorProcess, open_bench: Callable[..., Any], options: dict[str, Any], times: int
) -> None:
    bench = open_bench(simulator, **options)
    file_id, before = bench.upload([bench.row("r")]), len(simulator.calls("batches.create"))
    simulator.arm({"call": "batches.create", "kind": "drop_after", "times": 3})
    with pytest.raises(openai.APIConnectionError):
        bench.create_from(file_id)

    assert posts(simulator, before) == [str(n) for n in range(times)]
    assert created(simulator, file_id) == times


def test_slow_reply_starts_a_batch_that_the_client_gave_up_on(
    simulator: SimulatorProcess, bench: Any, open_bench: Callable[..., Any]
) -> None:
    file_id = bench.upload([bench.row("r")])
    simulator.arm({"call": "batches.create", "kind": "delay_after", "seconds": 4})
    with pytest.raises(openai.APITimeoutError):
        open_bench(simulator, timeout=1.0).create_from(file_id)

    assert created(simulator, file_id) == 1


@pytest.mark.parametrize(
    ("kind", "error", "accepted"),
    [
        ("drop_before", openai.APIConnectionError, 0),
        ("error_before", openai.InternalServerError, 0),
        ("error_after", openai.InternalServerError, 1),
        ("bad_gateway", openai.InternalServerError, 0),
        ("unavailable", openai.InternalServerError, 0),
        ("rate_limit", openai.RateLimitError, 0),
        ("quota", openai.RateLimitError, 0),
        ("unauthorized", openai.AuthenticationError, 0),
    ],
)
def test_failed_create_has_an_effect_only_where_the_fault_says_after(
    simulator: SimulatorProcess, bench: Any, kind: str, error: type[Exception], accepted: int
) -> None:
    file_id = bench.upload([bench.row("r")])
    simulator.arm({"call": "batches.create", "kind": kind})
    with pytest.raises(error):
        bench.create_from(file_id)

    assert created(simulator, file_id) == accepted


def test_headers_for_retries_are_sent(simulator: SimulatorProcess, bench: Any) -> None:
    simulator.arm(
        {"call": "batches.list", "kind": "rate_limit", "retry_after": 121, "should_retry": False},
    )
    with pytest.raises(openai.RateLimitError) as caught:
        bench.client.batches.list()

    assert caught.value.response.headers["retry-after"] == "121"
    assert caught.value.response.headers["x-should-retry"] == "false"


def test_quota_and_rate_limit_differ_in_code(simulator: SimulatorProcess, bench: Any) -> None:
    codes = []
    for kind in ("quota", "rate_limit"):
        simulator.arm({"call": "batches.list", "kind": kind})
        with pytest.raises(openai.RateLimitError) as caught:
            bench.client.batches.list()
        codes.append(caught.value.code)

    assert codes == ["insufficient_quota", "rate_limit_exceeded"]


def test_page_of_a_proxy_comes_with_status_200(simulator: SimulatorProcess, bench: Any) -> None:
    batch = bench.run([bench.row("r")])
    simulator.arm({"call": "batches.retrieve", "kind": "html"})

    assert isinstance(bench.client.batches.retrieve(batch.id), str)


def test_upload_whose_reply_is_lost_left_a_file(simulator: SimulatorProcess, bench: Any) -> None:
    simulator.arm({"call": "files.create", "kind": "drop_after"})
    with pytest.raises(openai.APIConnectionError):
        bench.upload([bench.row("r")], name="orphan.jsonl")

    assert bench.client.files.list(limit=1).data[0].filename == "orphan.jsonl"


def test_new_batch_is_left_out_of_lists_for_a_while(simulator: SimulatorProcess, bench: Any) -> None:
    simulator.arm({"call": "batches.create", "kind": "list_lag", "seconds": 3})
    batch = bench.create([bench.row("r")])
    hidden = [seen.id for seen in bench.client.batches.list(limit=1)][:1]
    bench.wait(batch)

    assert hidden != [batch.id]
    while bench.client.batches.list(limit=1).data[0].id != batch.id:
        pass


def test_signal_hits_the_process_between_accept_and_reply(simulator: SimulatorProcess, bench: Any) -> None:
    victim = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    file_id = bench.upload([bench.row("r")])
    simulator.arm({"call": "batches.create", "kind": "signal", "pid": victim.pid})
    bench.create_from(file_id)

    assert victim.wait(30) == -9
    assert created(simulator, file_id) == 1


def test_signal_without_a_process_hits_the_caller(simulator: SimulatorProcess) -> None:
    simulator.arm({"call": "batches.list", "kind": "signal"})
    script = (
        "import sys, urllib.request as web\n"
        "web.urlopen(web.Request(sys.argv[1], headers={'Authorization': 'Bearer k'}))"
    )
    caller = subprocess.Popen([sys.executable, "-c", script, f"{simulator.base_url}/batches"])

    assert caller.wait(60) == -9


def test_half_a_reply_comes_after_the_whole_effect(simulator: SimulatorProcess, bench: Any) -> None:
    file_id = bench.upload([bench.row("r")])
    simulator.arm({"call": "batches.create", "kind": "half_reply"})
    with pytest.raises(json.JSONDecodeError):
        bench.create_from(file_id)

    assert created(simulator, file_id) == 1


def test_shifting_pages_are_short_and_overlap(simulator: SimulatorProcess, bench: Any) -> None:
    ids = [bench.create_from(bench.upload([bench.row("r")])).id for _ in range(4)][::-1]
    simulator.arm({"call": "batches.list", "kind": "shifting_pages", "times": 2})
    first = bench.client.batches.list(limit=100)
    second = bench.client.batches.list(limit=100, after=first.data[-1].id)

    assert [batch.id for batch in first.data] == ids[:3]
    assert [batch.id for batch in second.data][:2] == ids[2:4]
    assert first.has_more


def test_what_reads_a_batchs_results_has_in_its_path_what_the_simulator_names(
    simulator: SimulatorProcess, bench: Any
) -> None:
    batch = bench.run([bench.row("r")])
    bench.lines(batch.output_file_id)
    told = next(told for told in simulator.batches() if told["id"] == batch.id)

    assert told["results"] == [batch.output_file_id]
    assert batch.output_file_id in simulator.calls("files.content")[-1]["path"]


def test_file_is_not_found_though_it_is_there(simulator: SimulatorProcess, bench: Any) -> None:
    simulator.arm({"call": "batches.create", "kind": "cannot_find_file"})
    file_id = bench.upload([bench.row("r")])
    first, second = bench.wait(bench.create_from(file_id)), bench.wait(bench.create_from(file_id))

    assert [first.errors.data[0].code, first.errors.data[0].param] == ["invalid_request", "file_id"]
    assert second.status == "completed"


def test_all_requests_fail_and_the_batch_completes(simulator: SimulatorProcess, bench: Any) -> None:
    simulator.arm({"call": "batches.create", "kind": "all_failed"})
    batch = bench.run([bench.row(str(n)) for n in range(4)])

    assert (batch.status, batch.output_file_id, batch.request_counts.failed) == ("completed", None, 4)
    assert len(bench.lines(batch.error_file_id)) == 4


def test_error_file_id_is_an_empty_string(simulator: SimulatorProcess, bench: Any) -> None:
    simulator.arm({"call": "batches.create", "kind": "empty_error_file"})

    assert bench.run([bench.row("r")]).error_file_id == ""


def test_expired_batch_has_both_files(simulator: SimulatorProcess, bench: Any) -> None:
    simulator.arm({"call": "batches.create", "kind": "expire", "fraction": 0.3})
    batch = bench.run([bench.row(str(n)) for n in range(10)])

    assert batch.status == "expired"
    assert batch.expired_at
    assert len(bench.lines(batch.output_file_id)) == 7
    assert [line["error"]["code"] for line in bench.lines(batch.error_file_id)] == ["batch_expired"] * 3


def test_odd_replies_pass_through_the_sdk(simulator: SimulatorProcess, bench: Any) -> None:
    batch = bench.run([bench.row("r")])
    simulator.arm(
        {"call": "batches.retrieve", "kind": "unknown_status", "value": "paused"},
        {"call": "batches.retrieve", "kind": "missing_counts"},
    )
    odd = bench.client.batches.retrieve(batch.id)

    assert (odd.status, odd.request_counts) == ("paused", None)
    assert bench.client.batches.retrieve(batch.id).status == "completed"


def test_content_is_spoiled_once_and_then_whole(simulator: SimulatorProcess, bench: Any) -> None:
    batch = bench.run([bench.row(str(n)) for n in range(3)])
    whole = bench.client.files.content(batch.output_file_id).content
    spoiled = {}
    for kind in ("truncated", "bom", "crlf", "blank_line"):
        simulator.arm({"call": "files.content", "kind": kind})
        spoiled[kind] = bench.client.files.content(batch.output_file_id).content

    assert whole.startswith(spoiled["truncated"])
    assert whole.count(b"\n") == 3 == spoiled["truncated"].count(b"\n") + 1
    assert spoiled["bom"] == b"\xef\xbb\xbf" + whole
    assert spoiled["crlf"] == whole.replace(b"\n", b"\r\n")
    assert spoiled["blank_line"].replace(b"\n\n", b"\n") == b"\n" + whole
    assert bench.client.files.content(batch.output_file_id).content == whole


def test_download_is_cut_or_missing_for_a_while(simulator: SimulatorProcess, bench: Any) -> None:
    batch = bench.run([bench.row("r")])
    simulator.arm({"call": "files.content", "kind": "not_found", "times": 1})
    with pytest.raises(openai.NotFoundError):
        bench.client.files.content(batch.output_file_id)
    simulator.arm({"call": "files.content", "kind": "cut"})
    with (
        bench.client.files.with_streaming_response.content(batch.output_file_id) as reply,
        pytest.raises(httpx2.HTTPError),
    ):
        list(reply.iter_bytes())

    assert bench.lines(batch.output_file_id)


def test_rows_break_each_in_its_own_way(bench: Any) -> None:
    kinds = ["refusal", "length", "content_filter", "not_json", "schema_violation", "fenced_json"]
    batch = bench.run([bench.row(kind, f"[[fault:{kind}]]") for kind in kinds])
    choices = {
        line["custom_id"]: line["response"]["body"]["choices"][0]
        for line in bench.lines(batch.output_file_id)
    }
    texts = {kind: choice["message"]["content"] for kind, choice in choices.items()}

    assert choices["refusal"]["message"] | {"role": ""} == {
        "role": "",
        "content": None,
        "refusal": "I'm sorry, but I can't assist with that request.",
    }
    assert [choices[kind]["finish_reason"] for kind in kinds[:3]] == ["stop", "length", "content_filter"]
    for kind in ("length", "not_json", "fenced_json"):
        with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
            json.loads(texts[kind])
    assert json.loads(texts["schema_violation"]) == {"unexpected": True}
    assert texts["fenced_json"].startswith("```json\n{")


def test_failed_rows_go_to_the_error_file(bench: Any) -> None:
    kinds = {
        "bad_request": 400,
        "rate_limit": 429,
        "insufficient_quota": 429,
        "server_error": 500,
        "status_zero": 0,
    }
    batch = bench.run([bench.row(kind, f"[[fault:{kind}]]") for kind in kinds])
    lines = bench.lines(batch.error_file_id)

    assert {line["custom_id"]: line["response"]["status_code"] for line in lines} == kinds


def test_lines_go_missing_double_or_astray(bench: Any) -> None:
    kinds = ["missing_line", "duplicate_line", "foreign_custom_id", "missing_custom_id"]
    batch = bench.run([bench.row(kind, f"[[fault:{kind}]]") for kind in kinds])
    ids = sorted(line.get("custom_id", "none")[:14] for line in bench.lines(batch.output_file_id))

    assert ids == ["duplicate_line", "duplicate_line", "foreign-foreig", "none"]
    assert batch.request_counts.completed == 4


def test_line_separator_reaches_the_file_unescaped(bench: Any) -> None:
    batch = bench.run([bench.row("r", "[[fault:line_separator]]")])
    content = bench.client.files.content(batch.output_file_id).content

    assert "\u2028".encode() in content
    assert content.count(b"\n") == 1
    json.loads(content)


def test_marked_row_succeeds_at_the_attempt_that_its_count_says(bench: Any) -> None:
    row = bench.row("r", "[[fault:rate_limit:2]] only this test sends this")
    outcomes = [bench.run([row | {"custom_id": f"r{n}"}]).request_counts.completed for n in range(3)]

    assert outcomes == [0, 0, 1]


def test_rate_breaks_a_part_of_the_rows(simulator: SimulatorProcess, bench: Any) -> None:
    simulator.arm({"call": "row", "kind": "server_error", "rate": 0.3})
    batch = bench.run([bench.row(str(n)) for n in range(200)])

    assert 30 < batch.request_counts.failed < 90


def test_wrong_fault_is_refused_and_arms_nothing(simulator: SimulatorProcess) -> None:
    faults = [{"call": "files.list", "kind": "html"}, {"call": "files.list", "kind": "expire"}]
    reply = httpx2.post(f"{simulator.url}/_sim/faults", json=faults)

    assert reply.status_code == 400
    assert "files.list has no fault 'expire'" in reply.json()["error"]
    assert httpx2.get(f"{simulator.url}/_sim/faults").json() == {"data": []}
