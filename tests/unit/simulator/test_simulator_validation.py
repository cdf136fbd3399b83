"""What fails a batch before it starts: every bad line, in the provider's words."""

import json
from pathlib import Path
from typing import Any

import pytest

from batchline_simulator.config import SimulatorConfig
from batchline_simulator.openai.chat import ChatCompletions
from batchline_simulator.openai.validation import Verdict, over_token_limit, validate
from recordings import recorded

PATH = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "12345678"}]


def line(custom_id: str = "r", **changes: Any) -> dict[str, Any]:
    body = {"model": "m", "messages": MESSAGES}
    return {"custom_id": custom_id, "method": "POST", "url": PATH, "body": body} | changes


def verdict(tmp_path: Path, *lines: dict[str, Any] | bytes, **settings: Any) -> Verdict:
    content = tmp_path / "input.jsonl"
    content.write_bytes(
        b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in lines)
    )
    return validate(content, ChatCompletions(), SimulatorConfig(data_dir=tmp_path, **settings))


def sample_errors(name: str) -> list[dict[str, Any]]:
    return list(recorded(name)["errors"]["data"])


def test_good_file_yields_its_model_and_tokens(tmp_path: Path) -> None:
    found = verdict(tmp_path, line("a"), line("b"))

    assert (found.errors, found.model, found.tokens) == ([], "m", 4)


def test_missing_fields_read_as_recorded(tmp_path: Path) -> None:
    names = ("custom_id", "method", "url", "body")
    broken = [{key: value for key, value in line(name).items() if key != name} for name in names]

    assert verdict(tmp_path, *broken).errors == sample_errors("openai_batch_failed_missing_fields.json")


def test_bad_bodies_read_as_recorded(tmp_path: Path) -> None:
    found = verdict(
        tmp_path,
        line("a", body={"messages": MESSAGES}),
        line("b", body={"model": "m"}),
        line("c", url="/v1/embeddings"),
        line("d", body={"model": "invalid-model-xyz", "messages": MESSAGES}),
    )

    assert found.errors == sample_errors("openai_batch_failed_misc_validation.json")


def test_streaming_reads_as_recorded(tmp_path: Path) -> None:
    found = verdict(tmp_path, line(body={"model": "m", "messages": MESSAGES, "stream": True}))

    assert found.errors == sample_errors("openai_batch_failed_streaming.json")


def test_unreadable_lines_read_as_recorded(tmp_path: Path) -> None:
    lines: list[dict[str, Any] | bytes] = [line(str(n)) for n in range(10)]
    lines[0], lines[9] = b"\xef\xbb\xbf{}", b"{"

    assert verdict(tmp_path, *lines).errors == sample_errors("openai_batch_failed_invalid_json_line.json")


def test_token_limit_reads_as_recorded() -> None:
    wanted = sample_errors("openai_batch_failed_token_limit_exceeded.json")

    assert [over_token_limit("gpt-4o-mini", 2_000_000, "org-XXXX")] == wanted


@pytest.mark.parametrize(
    ("lines", "settings", "code"),
    [
        ([line("a"), line("a")], {}, "duplicate_custom_id"),
        ([line("a"), line("b", body={"model": "n", "messages": MESSAGES})], {}, "mismatched_model"),
        ([], {}, "empty_file"),
        ([line("a"), line("b")], {"max_lines": 1}, "too_many_tasks"),
        ([line("a")], {"max_input_bytes": 10}, "invalid_request"),
        ([line("a", method="GET")], {}, "invalid_request"),
        ([{**line("a"), "custom_id": 7}], {}, "invalid_request"),
        ([b"[]"], {}, "invalid_json_line"),
    ],
    ids=["duplicate", "two models", "empty", "too many", "too large", "method", "id type", "array"],
)
def test_each_rule_has_its_code(
    tmp_path: Path, lines: list[Any], settings: dict[str, Any], code: str
) -> None:
    assert [found["code"] for found in verdict(tmp_path, *lines, **settings).errors] == [code]
