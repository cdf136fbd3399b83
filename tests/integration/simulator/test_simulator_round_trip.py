"""The official SDK against the simulator, when nothing goes wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import openai
import psutil
import pytest

from batchline_simulator import SimulatorConfig, SimulatorProcess, running_simulator

CHAT = "/v1/chat/completions"


def test_every_request_is_answered_once_with_valid_json(bench: Any) -> None:
    batch = bench.run([bench.row(f"r{n}") for n in range(60)])
    lines = bench.lines(batch.output_file_id)

    assert batch.status == "completed"
    assert sorted(line["custom_id"] for line in lines) == sorted(f"r{n}" for n in range(60))
    assert [line["custom_id"] for line in lines] != [f"r{n}" for n in range(60)], "order is not promised"
    for line in lines:
        answer = json.loads(line["response"]["body"]["choices"][0]["message"]["content"])
        schema = bench.row("r")["body"]["response_format"]["json_schema"]["schema"]
        jsonschema.validate(answer, schema)


def test_plain_text_is_answered_where_no_schema_is_asked(bench: Any) -> None:
    batch = bench.run([bench.row("r", response_format=None)])
    (line,) = bench.lines(batch.output_file_id)

    assert line["response"]["body"]["choices"][0]["message"]["content"].endswith(".")


def test_answers_depend_on_the_request_alone(bench: Any) -> None:
    answers = set()
    for _ in range(2):
        (line,) = bench.lines(bench.run([bench.row("r")]).output_file_id)
        answers.add(line["response"]["body"]["choices"][0]["message"]["content"])

    assert len(answers) == 1


def test_counts_usage_and_metadata_are_reported(bench: Any) -> None:
    batch = bench.wait(bench.create([bench.row("a"), bench.row("b", max_tokens=0)], key="k-1"))

    assert batch.metadata == {"key": "k-1"}
    assert batch.request_counts.model_dump() == {"total": 2, "completed": 1, "failed": 1}
    assert batch.usage.input_tokens == 3
    assert batch.usage.total_tokens > 3


def test_a_clean_batch_has_no_error_file_and_a_failed_one_no_output(bench: Any) -> None:
    clean = bench.run([bench.row("r")])
    failed = bench.run([bench.row("r", max_tokens=0)])

    assert (bool(clean.output_file_id), clean.error_file_id) == (True, None)
    assert (failed.output_file_id, bool(failed.error_file_id)) == (None, True)


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role", "invalid_value"),
        ({"messages": [{"content": "x"}]}, "messages[0].role", "missing_required_parameter"),
    ],
    ids=["max_tokens", "unknown role", "no role"],
)
def test_bad_body_fails_its_own_line_only(bench: Any, body: dict[str, Any], param: str, code: str) -> None:
    batch = bench.run([bench.row("good"), bench.row("bad", **body)])
    (line,) = bench.lines(batch.error_file_id)
    error = line["response"]["body"]["error"]

    assert (line["custom_id"], line["response"]["status_code"], line["error"]) == ("bad", 400, None)
    assert (error["param"], error["code"]) == (param, code)


def test_schema_outside_strict_mode_fails_every_request_that_has_it(bench: Any) -> None:
    wanted = {
        "type": "json_schema",
        "json_schema": {"name": "X", "strict": True, "schema": {"type": "object"}},
    }
    batch = bench.run([bench.row(str(n), response_format=wanted) for n in range(3)])
    errors = [line["response"]["body"]["error"] for line in bench.lines(batch.error_file_id)]

    assert [error["code"] for error in errors] == ["invalid_json_schema"] * 3
    assert errors[0]["param"] == "response_format"


def test_bad_lines_fail_the_batch_and_run_nothing(bench: Any) -> None:
    batch = bench.run([bench.row("a"), bench.row("a"), {"custom_id": "b"}])

    assert batch.status == "failed"
    assert [(e.code, e.line) for e in batch.errors.data] == [
        ("duplicate_custom_id", 2),
        *[("missing_required_parameter", 3)] * 3,
    ]
    assert batch.output_file_id is batch.error_file_id is None


def test_unknown_input_file_is_accepted_and_fails_later(bench: Any) -> None:
    batch = bench.create_from("file-unknown")

    assert batch.status == "validating"
    assert (
        bench.wait(batch).errors.data[0].message.startswith("Cannot find file file-unknown, or organization")
    )


def test_enqueued_tokens_are_limited_while_batches_live_and_freed_when_they_end(
    bench: Any, simulator: SimulatorProcess
) -> None:
    rows = [bench.row("r", "x" * 240, model="limited")]
    simulator.arm({"call": "batches.create", "kind": "stuck"})
    first = bench.wait(bench.create(rows), "finalizing")
    second = bench.run(rows)
    bench.client.batches.cancel(first.id)
    bench.wait(first)
    third = bench.run(rows)

    assert [error.code for error in second.errors.data] == ["token_limit_exceeded"]
    assert "Limit: 100 enqueued tokens." in second.errors.data[0].message
    assert third.status == "completed"


def test_batches_are_listed_newest_first_page_by_page(bench: Any) -> None:
    file_id = bench.upload([bench.row("r")])
    made = [bench.create_from(file_id).id for _ in range(5)]
    page = bench.client.batches.list(limit=2)
    walked = [batch.id for _, batch in zip(range(5), bench.client.batches.list(limit=2), strict=False)]

    assert walked == made[::-1]
    assert page.has_more
    assert (page.model_extra or {})["first_id"] == made[-1]


def test_files_are_listed_by_purpose_order_and_page(bench: Any) -> None:
    made = [bench.upload([bench.row("r")], name=f"{n}.jsonl") for n in range(3)]
    newest = bench.client.files.list(purpose="batch", limit=2)
    oldest_after = bench.client.files.list(purpose="batch", order="asc", after=made[0])

    assert [file.id for file in newest.data] == made[:0:-1]
    assert [file.id for file in oldest_after.data] == made[1:]
    assert not bench.client.files.list(purpose="evals").data


def test_deleted_file_is_gone(bench: Any) -> None:
    file_id = bench.upload([bench.row("r")])

    assert bench.client.files.delete(file_id).deleted
    with pytest.raises(openai.NotFoundError, match="No such File object"):
        bench.client.files.content(file_id)


def test_large_upload_needs_no_memory_to_match(bench: Any, simulator: SimulatorProcess) -> None:
    line = json.dumps(bench.row("r", "x" * 1000)).encode() + b"\n"
    before = psutil.Process(simulator.pid).memory_info().rss
    content = line * (64_000_000 // len(line))
    file = bench.client.files.create(file=("big.jsonl", content), purpose="batch")

    assert file.bytes == len(content)
    assert psutil.Process(simulator.pid).memory_info().rss - before < 16_000_000


def test_input_may_be_deleted_while_the_batch_runs(bench: Any, simulator: SimulatorProcess) -> None:
    simulator.arm({"call": "batches.create", "kind": "stuck", "value": "in_progress"})
    batch = bench.wait(bench.create([bench.row("r")]), "in_progress")
    bench.client.files.delete(batch.input_file_id)
    bench.client.batches.cancel(batch.id)

    assert len(bench.lines(bench.wait(batch).output_file_id)) == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("input.json", b"{}\n", "Invalid file format for Batch API. Must be .jsonl"),
        ("input.jsonl", b'{"a": "\xff"}\n', "Must be utf-8 encoded"),
        ("input.jsonl", b"", "Invalid file format"),
        ("input.jsonl", b"nonsense\n{}\n", "Invalid file format"),
    ],
    ids=["name", "encoding", "empty", "first line"],
)
def test_upload_is_refused_at_once(bench: Any, name: str, content: bytes, message: str) -> None:
    with pytest.raises(openai.BadRequestError, match=message):
        bench.client.files.create(file=(name, content), purpose="batch")


def test_upload_keeps_bytes_name_and_expiry(bench: Any) -> None:
    content = json.dumps(bench.row("r")).encode()
    file = bench.client.files.create(
        file=("run-1.jsonl", content),
        purpose="batch",
        expires_after={"anchor": "created_at", "seconds": 7200},
    )

    assert (file.filename, file.bytes, file.expires_at) == (
        "run-1.jsonl",
        len(content),
        file.created_at + 7200,
    )
    assert bench.client.files.content(file.id).content == content


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"endpoint": "/v1/invalid"}, "Invalid value: '/v1/invalid'. Supported values are: "),
        ({"completion_window": "48h"}, "Invalid value: '48h'"),
        ({"metadata": {"tags": ["a"]}}, "'metadata.tags': expected a string, but got an array instead."),
        ({"metadata": {"k": "x" * 513}}, "string too long"),
        ({"input_file_id": None}, "Missing required parameter: 'input_file_id'."),
    ],
    ids=["endpoint", "window", "metadata type", "metadata length", "file"],
)
def test_create_is_refused_at_once(bench: Any, change: dict[str, Any], message: str) -> None:
    wanted = {"input_file_id": "file-x", "endpoint": CHAT, "completion_window": "24h"}
    with pytest.raises(openai.BadRequestError, match=message):
        bench.client.batches.create(**wanted | change)


def test_key_is_required_and_checked(tmp_path: Path, open_bench: Callable[..., Any]) -> None:
    config = SimulatorConfig(data_dir=tmp_path, speed=0, api_keys=frozenset({"right"}))
    with running_simulator(config) as simulator:
        open_bench(simulator, api_key="right").client.batches.list()

        with pytest.raises(openai.AuthenticationError, match="Incorrect API key"):
            open_bench(simulator, api_key="wrong").client.batches.list()


def test_responder_of_our_own_answers(tmp_path: Path, open_bench: Callable[..., Any]) -> None:
    (tmp_path / "echo_responder.py").write_text(
        "def answer(body):\n"
        "    return {'title': body['messages'][0]['content'], 'stars': 1 // body.get('n', 1)}\n"
    )
    config = SimulatorConfig(data_dir=tmp_path / "data", speed=0, responder="echo_responder:answer")
    with running_simulator(config, search_path=[tmp_path]) as simulator:
        bench = open_bench(simulator)
        batch = bench.run([bench.row("r", "été"), bench.row("broken", n=0)])
        (line,), (broken,) = bench.lines(batch.output_file_id), bench.lines(batch.error_file_id)

    answer = line["response"]["body"]["choices"][0]["message"]["content"]
    assert json.loads(answer) == {"title": "été", "stars": 1}
    assert broken["response"]["status_code"] == 500


def test_oracle_tells_what_was_accepted(bench: Any, simulator: SimulatorProcess) -> None:
    batch = bench.wait(bench.create([bench.row("r")], submit_key="s-77"))
    (seen,) = [b for b in simulator.batches() if (b["metadata"] or {}).get("submit_key") == "s-77"]

    assert (seen["id"], seen["line_count"], seen["status"]) == (batch.id, 1, "completed")
    assert seen["input_file_id"] == batch.input_file_id
    assert len(seen["input_sha256"]) == 64
    assert simulator.calls("batches.create")[-1]["retry_count"] == "0"
    assert simulator.stats()["batches"]["completed"] >= 1
