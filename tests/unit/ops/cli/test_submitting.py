"""Putting jobs on the queue from files and stdin."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from unit.ops.cli.conftest import Answer, Cli

MODEL = "openai/gpt-4.1-mini"
HELLO = [{"role": "user", "content": "secret prompt"}]
RESPONSE_MODELS = """
from pydantic import BaseModel
class User(BaseModel):
    name: str
class Open(BaseModel):
    anything: dict
number = 7
"""


def lines(*values: Any) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def request(custom_id: str = "a", **body: Any) -> dict[str, Any]:
    body = {"model": "gpt-4.1-mini", "messages": HELLO} | body
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}


def assert_refused(answer: Answer, *words: str) -> None:
    """Bad input: its own code, one line, and nothing quoted."""
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.count("\n") == 1
    assert all(word in answer.err for word in words), answer.err
    assert "secret prompt" not in answer.err


def test_a_batch_file_becomes_a_job_and_only_its_id_is_printed(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "batch_requests.jsonl").write_bytes(lines(request("a"), request("b")))

    answer = cli("batch", "create-from-file", "--file-path", "batch_requests.jsonl", "--model", MODEL)

    assert answer.code == 0
    job_id = answer.out.removesuffix("\n")
    found = cli("batch", "status", job_id, "--json").json
    assert (found["total"], found["model"], found["status"]) == (2, MODEL, "queued")
    assert f"batchline batch watch {job_id}" in answer.err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(None, ["bad.jsonl", "No such file"], id="missing"),
        pytest.param(b"", ["empty"], id="empty"),
        pytest.param(b'{"a": "\xff"}\n', ["line 1", "UTF-8"], id="not UTF-8"),
        pytest.param(lines(request()) + b"{oops\n", ["line 2", "JSON"], id="bad line"),
        pytest.param(lines({"custom_id": "a", "params": {}}), ["line 1", "anthropic"], id="foreign provider"),
        pytest.param(lines(request(model="gpt-4o")), ["line 1", "gpt-4o"], id="another model"),
        pytest.param(lines(request(), request()), ["'a'"], id="duplicate id"),
        pytest.param(lines(request("x" * 600)), ["line 1", "512"], id="id too long"),
    ],
)
def test_a_bad_batch_file_is_refused_whole(
    cli: Cli, tmp_path: Path, content: bytes | None, words: list[str]
) -> None:
    if content is not None:
        (tmp_path / "bad.jsonl").write_bytes(content)

    assert_refused(cli("batch", "create-from-file", "--file-path", "bad.jsonl", "--model", MODEL), *words)
    assert cli("batch", "list", "--json").json == {"jobs": []}


@pytest.mark.parametrize(
    ("model", "word"),
    [("gpt-4.1-mini", "provider/model-name"), ("nobody/x", "nobody"), ("openai/", "openai/")],
)
def test_a_bad_model_is_refused(cli: Cli, tmp_path: Path, model: str, word: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(request()))

    assert_refused(cli("batch", "create-from-file", "--file-path", "a.jsonl", "--model", model), word)
    assert_refused(cli("batch", "submit", "--model", model, stdin=lines(HELLO)), word)


def test_conversations_come_from_stdin_as_lists_or_objects(cli: Cli) -> None:
    named = {"messages": HELLO, "custom_id": "one", "max_tokens": 5, "options": {"seed": 1}}
    answer = cli("batch", "submit", "-m", MODEL, "--json", stdin=lines(named))
    plain = cli("batch", "submit", "-", "-m", MODEL, "--json", stdin=b"\n".join([b"", *[lines(HELLO)] * 2]))

    assert (answer.json["total"], plain.json["total"]) == (1, 2)
    assert answer.err == ""


def test_metadata_and_idempotency_key_are_kept(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(HELLO))
    options = ["--metadata", "team=search", "--metadata", "note=a=b", "--idempotency-key", "k", "--json"]

    first = cli("batch", "submit", "a.jsonl", "-m", MODEL, *options).json
    second = cli("batch", "submit", "a.jsonl", "-m", MODEL, *options).json
    assert first["id"] == second["id"]
    assert first["metadata"] == {"team": "search", "note": "a=b"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", ["empty"], id="empty"),
        pytest.param(lines(HELLO) + b"\n\xff\xfe\n", ["line 3", "UTF-8"], id="not UTF-8"),
        pytest.param(lines(HELLO) + b"{oops", ["line 2", "JSON"], id="not JSON"),
        pytest.param(lines("hello"), ["line 1", "list of messages"], id="text"),
        pytest.param(lines({"custom_id": "a"}), ["line 1", "messages"], id="no messages"),
        pytest.param(
            lines({"messages": HELLO, "temprature": 1}), ["line 1", "temprature"], id="unknown field"
        ),
        pytest.param(b"\n" + lines([{"role": "pirate", "content": "x"}]), ["line 2", "role"], id="bad role"),
        pytest.param(
            lines({"messages": HELLO, "temperature": 9}), ["line 1", "temperature"], id="out of range"
        ),
        pytest.param(
            lines({"messages": HELLO, "custom_id": "a"}, HELLO), ["line 2", "custom_id"], id="one id"
        ),
        pytest.param(lines(*[{"messages": HELLO, "custom_id": "a"}] * 2), ["'a'"], id="duplicate id"),
    ],
)
def test_a_bad_line_is_named_by_its_number(cli: Cli, content: bytes, words: list[str]) -> None:
    assert_refused(cli("batch", "submit", "-m", MODEL, stdin=content), *words)
    assert cli("batch", "list", "--json").json == {"jobs": []}


@pytest.mark.parametrize(("given", "attempts"), [((), 3), (("--max-attempts", "7"), 7)])
def test_how_often_a_request_is_sent_can_be_said(
    cli: Cli, tmp_path: Path, *, given: tuple[str, ...], attempts: int
) -> None:
    (tmp_path / "file.jsonl").write_bytes(lines(request()))

    for answer in (
        cli("batch", "create-from-file", "--file-path", "file.jsonl", "--model", MODEL, *given),
        cli("batch", "submit", "--model", MODEL, *given, stdin=lines(HELLO)),
    ):
        meta = cli.client().connection.jobs.meta(answer.out.strip())
        assert (meta.attempt, meta.last_attempt) == (1, attempts)
    assert cli("batch", "submit", "--model", MODEL, "--max-attempts", "0", stdin=lines(HELLO)).code == 2


@pytest.mark.parametrize(
    ("given", "least_s"), [("90m", 5400), ("6h", 21600), ("1.5d", 129600), ("2100-01-01T00:00+01:00", 10**9)]
)
def test_a_deadline_can_be_said_as_a_time_or_a_moment(cli: Cli, given: str, least_s: int) -> None:
    options = ("--deadline", given, "--on-deadline", "live")
    answer = cli("batch", "submit", "--model", MODEL, *options, stdin=lines(HELLO))
    if least_s == 10**9:
        assert_refused(answer, "at most 3650")
        return
    job = cli("batch", "status", answer.out.strip(), "--json").json
    left = datetime.fromisoformat(job["deadline"]) - datetime.fromisoformat(job["created_at"])

    assert left.total_seconds() == pytest.approx(least_s, abs=5)
    assert job["on_deadline"] == "live"
    assert "then live" in cli("batch", "status", answer.out.strip()).out


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ("6 hours", "6h or 2d"),
        ("6", "6h or 2d"),
        ("2026-12-01T06:00", "no time zone"),
        ("2020-01-01T00:00Z", "has passed"),
        ("0s", "has passed"),
    ],
)
def test_a_deadline_that_is_none_is_refused(cli: Cli, given: str, word: str) -> None:
    answer = cli("batch", "submit", "--model", MODEL, "--deadline", given, stdin=lines(HELLO))

    assert_refused(answer, word)


def test_who_is_told_of_the_end_can_be_said(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(lines(HELLO))
    (tmp_path / "batch.jsonl").write_bytes(lines(request("a")))
    hooks = ("--on-complete", "shop.done@q", "--webhook", "shop")

    jobs = [
        cli("batch", "submit", "in.jsonl", "-m", MODEL, *hooks).out.strip(),
        cli("batch", "create-from-file", "-f", "batch.jsonl", "-m", MODEL, *hooks).out.strip(),
    ]

    for job_id in jobs:
        meta = cli.client().connection.jobs.meta(job_id)
        assert (meta.on_complete, meta.webhook) == ("shop.done@q", "shop")
    assert_refused(cli("batch", "submit", "in.jsonl", "-m", MODEL, "--webhook", "Shop"), "webhook must be")
    assert_refused(cli("batch", "create-from-file", "-f", "batch.jsonl", "-m", MODEL, "--on-complete", "a b"))


@pytest.mark.parametrize("pair", ["team", "=x"])
def test_metadata_must_be_pairs(cli: Cli, pair: str) -> None:
    assert_refused(cli("batch", "submit", "-m", MODEL, "--metadata", pair, stdin=lines(HELLO)), "key=value")


def test_a_metadata_key_must_not_come_twice(cli: Cli) -> None:
    options = ["--metadata", "a=1", "--metadata", "a=2"]

    assert_refused(cli("batch", "submit", "-m", MODEL, *options, stdin=lines(HELLO)), "'a' twice")


def test_a_response_model_is_found_in_the_working_directory(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "cli_models_found.py").write_text(RESPONSE_MODELS)

    answer = cli(
        "batch", "submit", "-m", MODEL, "--response-model", "cli_models_found:User", stdin=lines(HELLO)
    )
    assert answer.code == 0
    record = cli.client().connection.jobs.meta(answer.out.strip())
    assert record.structured
    assert b'"name"' in record.template


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cli_models_bad", ["module:Class"]),
        ("cli_models_bad:Nobody", ["no Nobody"]),
        ("cli_models_bad:number", ["no Pydantic model"]),
        ("cli_no_such_module:User", ["cannot be imported"]),
        ("cli_models_bad:Open", ["anything"]),
    ],
)
def test_a_response_model_that_cannot_be_used_is_named(
    cli: Cli, tmp_path: Path, name: str, words: list[str]
) -> None:
    (tmp_path / "cli_models_bad.py").write_text(RESPONSE_MODELS)

    assert_refused(cli("batch", "submit", "-m", MODEL, "--response-model", name, stdin=lines(HELLO)), *words)


EMBED = ("-m", "openai/text-embedding-3-small", "--endpoint", "/v1/embeddings", "--json")


def test_texts_to_embed_are_texts_lists_or_objects_one_a_line(cli: Cli) -> None:
    given = lines(
        "one", ["two", "three"], {"input": "four", "options": {"dimensions": 8}}, {"input": ["five"]}
    )

    answer = cli("batch", "submit", *EMBED, stdin=given)

    assert answer.code == 0
    assert answer.json["total"] == 4
    meta = cli.client().connection.jobs.meta(answer.json["id"])
    assert (meta.endpoint, meta.structured) == ("/v1/embeddings", True)
    assert next(cli.client().connection.jobs.rows(meta.id, [0])) == [
        b'"one"',
        b'["two","three"]',
        b'{"dimensions":8,"input":"four"}',
        b'["five"]',
    ]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", ["line 2", "empty"]),
        (["a", ""], ["line 2", "input[1]"]),
        (7, ["line 2", "expected"]),
        ({"input": "a", "messages": "b"}, ["line 2", "input"]),
        ({"input": "a", "max_tokens": 5}, ["line 2", "max_tokens"]),
        (HELLO, ["line 2", "input[0]"]),
    ],
    ids=str,
)
def test_a_line_that_cannot_be_embedded_is_named_by_its_number(
    cli: Cli, value: Any, words: list[str]
) -> None:
    assert_refused(cli("batch", "submit", *EMBED[:4], stdin=lines("one", value)), *words)


def test_a_batch_file_of_another_endpoint_is_taken_where_it_is_named(cli: Cli, tmp_path: Path) -> None:
    line = request() | {"url": "/v1/responses", "body": {"model": "gpt-4.1-mini", "input": HELLO}}
    (tmp_path / "a.jsonl").write_bytes(lines(line))
    command = ("batch", "create-from-file", "-f", "a.jsonl", "-m", MODEL)

    assert_refused(cli(*command), "line 1", "/v1/chat/completions")
    answer = cli(*command, "--endpoint", "/v1/responses")

    assert answer.code == 0
    assert cli.client().connection.jobs.meta(answer.out.strip()).endpoint == "/v1/responses"


@pytest.mark.parametrize("command", [("submit",), ("create-from-file", "-f", "a.jsonl")], ids=lambda c: c[0])
def test_an_endpoint_that_does_not_exist_is_refused_with_those_that_do(
    cli: Cli, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(request()))
    answer = cli("batch", *command, "-m", MODEL, "--endpoint", "/v1/completions", stdin=lines(HELLO))

    assert_refused(answer, "/v1/completions", "/v1/embeddings")


def test_equal_conversations_are_sent_once_where_asked(cli: Cli) -> None:
    given = lines(HELLO, HELLO, [{"role": "user", "content": "other"}])
    submit = ("batch", "submit", "-m", MODEL, "--json")

    once = cli(*submit, "--deduplicate", stdin=given).json
    dry = cli(*submit, "--deduplicate", "--dry-run", stdin=given).json

    assert (once["total"], once["duplicates"], dry["requests"]) == (3, 1, 2)
    assert cli(*submit, stdin=given).json["duplicates"] == 0
    assert "1 not sent" in cli("batch", "status", once["id"]).out


def test_equal_lines_of_a_batch_file_are_sent_once_where_asked(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(request("a"), request("b"), request("c", temperature=0.7)))
    create = ("batch", "create-from-file", "-f", "a.jsonl", "-m", MODEL, "--json")

    once = cli(*create, "--deduplicate").json
    dry = cli(*create, "--deduplicate", "--dry-run").json

    assert (once["total"], once["duplicates"], dry["requests"]) == (3, 1, 2)
    assert (cli(*create).json["duplicates"], cli(*create, "--dry-run").json["requests"]) == (0, 3)


def test_a_prompt_is_marked_for_as_long_as_asked(cli: Cli) -> None:
    prompt = {"role": "system", "content": "Be brief. " * 500}
    given = lines([prompt, *HELLO], [prompt, *HELLO])
    submit = ("batch", "submit", "-m", "anthropic/claude-sonnet-4-5", "--json", "--prompt-cache")

    job_id = cli(*submit, "1h", stdin=given).json["id"]

    (rows,) = cli.client().connection.jobs.rows(job_id, [0])
    assert all(b'"ttl":"1h"' in row for row in rows)
    assert cli(*submit, "2h", stdin=given).code == 2
    assert_refused(cli("batch", "submit", "-m", MODEL, "--prompt-cache", "5m", stdin=given), "by itself")
