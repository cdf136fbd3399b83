"""A live server behind the simulator: what it is asked, how often, and what becomes of its replies."""

import select
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from batchline_simulator import SimulatorConfig, SimulatorProcess, running_simulator
from fake_upstream import Asked, FakeUpstream, Said, chat_reply, running_upstream

Open = Callable[..., Any]


class Stage:
    """A fake upstream server whose words a test chooses, and the simulator in front of it."""

    def __init__(self, upstream: FakeUpstream, simulator: SimulatorProcess, bench: Any) -> None:
        self.upstream = upstream
        self.simulator = simulator
        self.bench = bench

    def output(self, *rows: dict[str, Any]) -> list[dict[str, Any]]:
        return list(self.bench.lines(self.bench.run(rows).output_file_id))

    def errors(self, *rows: dict[str, Any]) -> list[dict[str, Any]]:
        return list(self.bench.lines(self.bench.run(rows).error_file_id))


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeUpstream]:
    with running_upstream(lambda _: chat_reply("unset")) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def forwarding(fake: FakeUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    config = SimulatorConfig(
        data_dir=tmp_path_factory.mktemp("upstream"),
        speed=0,
        upstream=fake.url,
        upstream_attempts=2,
        upstream_parallel=3,
    )
    with running_simulator(config) as simulator:
        yield simulator


@pytest.fixture
def stage(fake: FakeUpstream, forwarding: SimulatorProcess, open_bench: Open) -> Stage:
    forwarding.set_faults()
    fake.asked.clear()
    fake.most_at_once = 0
    return Stage(fake, forwarding, open_bench(forwarding))


@pytest.mark.parametrize("kind", ["row", "response_row", "embedding_row"])
def test_body_goes_out_and_reply_comes_back_as_they_are(stage: Stage, kind: str) -> None:
    said = {"anything": ["goes", "\u2028"], "usage": {"prompt_tokens": 7, "completion_tokens": 1}}
    stage.upstream.answer = lambda _: Said(said)
    row = getattr(stage.bench, kind)("r", temperature=0.25, made_up={"a": [1]})
    (line,) = stage.output(row)

    assert [(asked.path, asked.body) for asked in stage.upstream.asked] == [(row["url"], row["body"])]
    assert (line["response"]["status_code"], line["response"]["body"]) == (200, said)
    assert (line["custom_id"], line["error"]) == ("r", None)


def test_upstream_tokens_are_the_usage_of_the_batch(stage: Stage) -> None:
    stage.upstream.answer = lambda _: chat_reply("yes")
    batch = stage.bench.run([stage.bench.row("a"), stage.bench.row("b")])

    assert (batch.usage.input_tokens, batch.usage.output_tokens) == (6, 4)
    assert batch.request_counts.completed == 2


def test_rules_of_openai_are_not_the_upstream_servers(stage: Stage) -> None:
    stage.upstream.answer = lambda _: chat_reply("yes")
    loose = {
        "type": "json_schema",
        "json_schema": {"name": "X", "strict": True, "schema": {"type": "object"}},
    }

    (line,) = stage.output(stage.bench.row("r", response_format=loose, max_tokens=0))
    assert ChatCompletion.model_construct(**line["response"]["body"]).choices


def test_as_many_requests_as_allowed_are_under_way_at_once(stage: Stage) -> None:
    together = threading.Barrier(3, timeout=60)

    def answer(_: Asked) -> Said:
        together.wait()
        return chat_reply("yes")

    stage.upstream.answer = answer
    batches = [stage.bench.create([stage.bench.row(f"{batch}-{n}") for n in range(6)]) for batch in range(3)]
    done = [stage.bench.wait(batch) for batch in batches]

    assert stage.upstream.most_at_once == 3
    assert [batch.request_counts.completed for batch in done] == [6, 6, 6]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_busy_server_is_asked_again_after_the_time_it_names(stage: Stage, status: int) -> None:
    replies = iter([Said({"error": {"message": "busy"}}, status, {"retry-after": "0"}), chat_reply("yes")])
    stage.upstream.answer = lambda _: next(replies)
    (line,) = stage.output(stage.bench.row("r"))

    assert line["response"]["body"]["choices"][0]["message"]["content"] == "yes"
    assert len(stage.upstream.asked) == 2


def test_retries_are_not_printed_into_a_pipe_that_would_fill(stage: Stage) -> None:
    replies = iter([Said({}, 503, {"retry-after": "0"}), chat_reply("yes")])
    stage.upstream.answer = lambda _: next(replies)
    stage.output(stage.bench.row("r"))

    assert len(stage.upstream.asked) == 2
    assert select.select([stage.simulator._process.stdout], [], [], 0)[0] == []


@pytest.mark.parametrize(("status", "attempts"), [(400, 1), (404, 1), (429, 2), (503, 2)])
def test_last_reply_becomes_the_line_where_the_server_keeps_refusing(
    stage: Stage, status: int, attempts: int
) -> None:
    refusal = {"error": {"message": "no", "code": "odd", "extra": 1}}
    stage.upstream.answer = lambda _: Said(refusal, status, {"retry-after": "0"})
    (line,) = stage.errors(stage.bench.row("r"))

    assert (line["response"]["status_code"], line["response"]["body"]) == (status, refusal)
    assert len(stage.upstream.asked) == attempts


def test_reply_that_is_no_json_is_an_error_line(stage: Stage) -> None:
    stage.upstream.answer = lambda _: Said(b"<html>secret page</html>")
    (line,) = stage.errors(stage.bench.row("r"))

    assert line["response"]["status_code"] == 502
    assert "secret" not in line["response"]["body"]["error"]["message"]


def test_reply_that_takes_too_long_is_an_error_line_and_not_asked_for_again(
    tmp_path: Path, open_bench: Open
) -> None:
    release = threading.Event()

    def answer(_: Asked) -> Said:
        release.wait(10)
        return chat_reply("late")

    with running_upstream(answer) as upstream:
        config = SimulatorConfig(data_dir=tmp_path, speed=0, upstream=upstream.url, upstream_timeout_s=0.3)
        with running_simulator(config) as simulator:
            bench = open_bench(simulator)
            (line,) = bench.lines(bench.run([bench.row("r")]).error_file_id)
        release.set()

    assert line["response"]["status_code"] == 504
    assert len(upstream.asked) == 1


def test_cancelling_does_not_wait_for_the_upstream_server(stage: Stage) -> None:
    release = threading.Event()
    stage.upstream.answer = lambda asked: (
        chat_reply("yes") if "first" in str(asked.body) or release.wait(10) else chat_reply("late")
    )
    rows = [stage.bench.row("a", "first"), *(stage.bench.row(f"b{n}", "slow") for n in range(5))]
    batch = stage.bench.create(rows)
    while batch.request_counts.completed < 1:
        batch = stage.bench.client.batches.retrieve(batch.id)
    batch = stage.bench.wait(stage.bench.client.batches.cancel(batch.id))
    release.set()

    assert batch.status == "cancelled"
    assert [line["custom_id"] for line in stage.bench.lines(batch.output_file_id)] == ["a"]
    assert len(stage.bench.lines(batch.error_file_id)) == 5


def test_server_that_is_not_there_is_an_error_line(tmp_path: Path, open_bench: Open) -> None:
    with running_upstream(lambda _: chat_reply("gone")) as upstream:
        url = upstream.url
    config = SimulatorConfig(data_dir=tmp_path, speed=0, upstream=url, upstream_attempts=1)
    with running_simulator(config) as simulator:
        bench = open_bench(simulator)
        batch = bench.run([bench.row("r")])
        (line,) = bench.lines(batch.error_file_id)

    assert (batch.status, line["response"]["status_code"]) == ("completed", 503)
    assert line["response"]["body"]["error"]["code"] == "upstream_failed"


def test_key_model_and_version_are_those_of_the_upstream_server(
    tmp_path: Path, open_bench: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAM_MODEL_KEY", "planted-key")
    with running_upstream(lambda _: chat_reply("yes")) as upstream:
        config = SimulatorConfig(
            data_dir=tmp_path,
            speed=0,
            upstream=f"{upstream.url}/v1/",
            upstream_key_env="TEAM_MODEL_KEY",
            upstream_model="qwen3:8b",
        )
        with running_simulator(config) as simulator:
            bench = open_bench(simulator)
            bench.run([bench.row("r")])

    assert [(asked.path, asked.authorization, asked.body["model"]) for asked in upstream.asked] == [
        ("/v1/chat/completions", "Bearer planted-key", "qwen3:8b")
    ]
    assert "planted-key" not in " ".join(config.arguments())
    assert [
        file for file in tmp_path.rglob("*") if file.is_file() and b"planted-key" in file.read_bytes()
    ] == []


def test_restart_asks_only_for_what_has_no_reply(tmp_path: Path, open_bench: Open) -> None:
    answered = threading.Semaphore(20)

    def answer(_: Asked) -> Said:
        # The first 20 requests are answered and the others hang, until the process is gone.
        return chat_reply("yes") if answered.acquire(timeout=20) else chat_reply("late")

    with running_upstream(answer) as upstream:
        config = SimulatorConfig(data_dir=tmp_path, speed=0, upstream=upstream.url, upstream_parallel=4)
        simulator = SimulatorProcess(config)
        bench = open_bench(simulator)
        batch = bench.create([bench.row(f"r{n}", f"text {n}") for n in range(40)])
        while batch.request_counts.completed < 16:
            batch = bench.client.batches.retrieve(batch.id)
        simulator.kill()
        answered.release(100)
        with running_simulator(config) as simulator:
            bench = open_bench(simulator)
            batch = bench.wait(bench.client.batches.retrieve(batch.id))
            lines = bench.lines(batch.output_file_id)

    again = [text for text in upstream.texts() if upstream.texts().count(text) > 1]
    assert sorted(line["custom_id"] for line in lines) == sorted(f"r{n}" for n in range(40))
    assert len(set(again)) <= 4, "only what was under way when the process died"
    assert sorted(file.name for file in (tmp_path / "work").iterdir()) == []
