"""Anthropic's official SDK against the simulator, when nothing goes wrong."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import jsonschema
import psutil
import pytest

from anthropic_bench import FORMAT, SCHEMA, AnthropicBench, tool
from batchline_simulator import SimulatorConfig, SimulatorProcess, running_simulator

OTHER_VERSION = {"anthropic-version": "2023-06-01"}


def test_every_request_is_answered_once_with_valid_json(claude: AnthropicBench) -> None:
    batch = claude.run([claude.request(f"r{n}") for n in range(60)])
    content = claude.content(batch).content
    lines = [json.loads(line) for line in content.split(b"\n")]

    assert sorted(line["custom_id"] for line in lines) == sorted(f"r{n}" for n in range(60))
    assert [line["custom_id"] for line in lines] != [f"r{n}" for n in range(60)], "order is not promised"
    for line in lines:
        jsonschema.validate(json.loads(line["result"]["message"]["content"][0]["text"]), SCHEMA)


def test_results_are_compact_raw_utf8_without_a_last_line_feed(claude: AnthropicBench) -> None:
    batch = claude.run([claude.request("a", "[[fault:line_separator]]"), claude.request("b")])
    reply = claude.content(batch)

    assert reply.headers["content-type"] == "application/x-jsonl"
    assert reply.headers["content-disposition"] == f'attachment; filename="{batch.id}_results.jsonl"'
    assert "\u2028".encode() in reply.content
    assert reply.content.count(b"\n") == 1
    assert not reply.content.endswith(b"\n")
    assert b'": ' not in reply.content


def test_answers_depend_on_the_request_alone(claude: AnthropicBench) -> None:
    assert claude.message()["content"] == claude.message()["content"]


def test_forced_tool_is_used(claude: AnthropicBench) -> None:
    message = claude.message(
        tools=[tool("other"), tool()], tool_choice={"type": "tool", "name": "film"}, output_config=None
    )
    (block,) = message["content"]

    assert (block["type"], block["name"], message["stop_reason"]) == ("tool_use", "film", "tool_use")
    jsonschema.validate(block["input"], SCHEMA)


@pytest.mark.parametrize(
    ("tools", "choice", "kind"),
    [
        ([tool()], None, "tool_use"),
        ([tool()], {"type": "auto"}, "tool_use"),
        ([tool(), tool("other")], {"type": "any"}, "tool_use"),
        ([tool(), tool("other")], {"type": "auto"}, "text"),
        ([tool()], {"type": "none"}, "text"),
    ],
    ids=["one tool", "auto", "any", "two to choose from", "none"],
)
def test_tool_is_used_where_there_is_no_choice(
    claude: AnthropicBench, tools: list[Any], choice: Any, kind: str
) -> None:
    message = claude.message(tools=tools, tool_choice=choice, output_config=None)

    assert [block["type"] for block in message["content"]] == [kind]


def test_plain_text_is_answered_where_nothing_is_asked(claude: AnthropicBench) -> None:
    message = claude.message(output_config=None)

    assert message["content"][0]["text"].endswith(".")
    assert message["stop_reason"] == "end_turn"


def test_thinking_comes_first_and_is_billed(claude: AnthropicBench) -> None:
    message = claude.message(thinking={"type": "enabled", "budget_tokens": 1024}, max_tokens=2048)

    assert [block["type"] for block in message["content"]] == ["thinking", "text"]
    assert message["content"][0]["signature"]
    assert (
        0 < message["usage"]["output_tokens_details"]["thinking_tokens"] < message["usage"]["output_tokens"]
    )


def test_answer_ends_at_max_tokens_or_at_a_stop_sequence(claude: AnthropicBench) -> None:
    cut = claude.message(max_tokens=2)
    tool_cut = claude.message(max_tokens=2, tools=[tool()], output_config=None)
    stopped = claude.message(stop_sequences=["stars"])

    assert (cut["stop_reason"], cut["usage"]["output_tokens"]) == ("max_tokens", 2)
    assert (tool_cut["stop_reason"], tool_cut["content"][0]["input"]) == ("max_tokens", {})
    assert (stopped["stop_reason"], stopped["stop_sequence"]) == ("stop_sequence", "stars")


def test_cached_prefix_is_created_once_and_then_read(claude: AnthropicBench) -> None:
    system = [{"type": "text", "text": "x" * 4000, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    results = claude.results(claude.run([claude.request(f"r{n}", system=system) for n in range(3)]))
    used = [result["message"]["usage"] for result in results.values()]

    assert sorted(usage["cache_creation_input_tokens"] for usage in used) == [0, 0, 1000]
    assert sorted(usage["cache_read_input_tokens"] for usage in used) == [0, 1000, 1000]
    assert sum(usage["cache_creation"]["ephemeral_1h_input_tokens"] for usage in used) == 1000
    assert {usage["input_tokens"] for usage in used} == {3}


def test_counts_stay_in_processing_until_the_end(claude: AnthropicBench, simulator: SimulatorProcess) -> None:
    simulator.arm({"call": "anthropic.batches.create", "kind": "stuck"})
    running = claude.create([claude.request("a"), claude.request("b", max_tokens=0)])
    seen = claude.client.messages.batches.retrieve(running.id)
    ended = claude.run([claude.request("a"), claude.request("b", max_tokens=0)])

    assert (seen.request_counts.processing, seen.results_url, seen.ended_at) == (2, None, None)
    assert ended.request_counts.to_dict() == {
        "processing": 0,
        "succeeded": 1,
        "errored": 1,
        "canceled": 0,
        "expired": 0,
    }
    claude.client.messages.batches.cancel(running.id)


def test_running_batch_hints_when_to_ask_again(claude: AnthropicBench, simulator: SimulatorProcess) -> None:
    simulator.arm({"call": "anthropic.batches.create", "kind": "stuck"})
    raw = claude.client.messages.batches.with_raw_response
    running = claude.create([claude.request("r")])
    hint = raw.retrieve(running.id).headers.get("retry-after")
    claude.client.messages.batches.cancel(running.id)
    ended = claude.wait(running)

    assert hint == "10"
    assert "retry-after" not in raw.retrieve(ended.id).headers


def test_canceled_batch_keeps_what_was_done(claude: AnthropicBench, simulator: SimulatorProcess) -> None:
    simulator.arm({"call": "anthropic.batches.create", "kind": "stuck"})
    running = claude.create([claude.request(str(n)) for n in range(4)])
    canceling = claude.client.messages.batches.cancel(running.id)
    ended = claude.wait(canceling)
    kinds = [result["type"] for result in claude.results(ended).values()]

    assert (canceling.processing_status, ended.processing_status) == ("canceling", "ended")
    assert canceling.cancel_initiated_at is not None
    assert len(kinds) == 4
    assert ended.request_counts.succeeded == kinds.count("succeeded")
    assert ended.request_counts.canceled == kinds.count("canceled")
    again = claude.client.messages.batches.cancel(ended.id)
    assert again == ended, "cancelling what has ended changes nothing"


def test_batches_are_listed_newest_first_page_by_page(claude: AnthropicBench) -> None:
    made = [claude.create([claude.request("r")]).id for _ in range(5)]
    batches = claude.client.messages.batches
    page = batches.list(limit=2)
    walked = [batch.id for _, batch in zip(range(5), batches.list(limit=2), strict=False)]
    above = batches.list(limit=2, before_id=made[1])

    assert walked == made[::-1]
    assert (page.has_more, page.first_id, page.last_id) == (True, made[4], made[3])
    assert [batch.id for batch in above.data] == [made[3], made[2]]
    assert above.has_more


@pytest.mark.parametrize("limit", [0, 1001])
def test_page_size_is_bounded(claude: AnthropicBench, limit: int) -> None:
    with pytest.raises(anthropic.BadRequestError, match="limit: Input should be"):
        claude.client.messages.batches.list(limit=limit)


def test_deleted_batch_is_gone_and_the_oracle_remembers(
    claude: AnthropicBench, simulator: SimulatorProcess
) -> None:
    batch = claude.run([claude.request("r")])
    deleted = claude.client.messages.batches.delete(batch.id)
    listed = [seen.id for seen in claude.client.messages.batches.list(limit=1000).data]

    assert deleted.to_dict() == {"id": batch.id, "type": "message_batch_deleted"}
    assert batch.id not in listed
    assert [seen["deleted"] for seen in simulator.batches() if seen["id"] == batch.id] == [True]
    with pytest.raises(anthropic.NotFoundError):
        claude.client.messages.batches.retrieve(batch.id)


def test_running_batch_is_not_deleted_and_has_no_results(
    claude: AnthropicBench, simulator: SimulatorProcess
) -> None:
    simulator.arm({"call": "anthropic.batches.create", "kind": "stuck"})
    running = claude.create([claude.request("r")])
    with pytest.raises(anthropic.BadRequestError, match="Cancel it first"):
        claude.client.messages.batches.delete(running.id)
    with pytest.raises(anthropic.AnthropicError, match="No `results_url`"):
        claude.client.messages.batches.results(running.id)

    assert claude.content(running).status_code == 404
    claude.client.messages.batches.cancel(running.id)


def test_batches_of_another_provider_are_unknown(claude: AnthropicBench, bench: Any) -> None:
    theirs = bench.create([bench.row("r")])
    with pytest.raises(anthropic.NotFoundError, match="not found"):
        claude.client.messages.batches.retrieve(theirs.id)

    assert theirs.id not in [batch.id for batch in claude.client.messages.batches.list(limit=1000).data]


@pytest.mark.parametrize(
    ("requests", "message"),
    [
        ([], "requests: List should have at least 1 item after validation, not 0"),
        ([{"params": {}}], "requests.0.custom_id: Field required"),
        ([{"custom_id": 7, "params": {}}], "requests.0.custom_id: Input should be a valid string"),
        ([{"custom_id": "x" * 65, "params": {}}], "at most 64 characters"),
        ([{"custom_id": "a b", "params": {}}], "requests.0.custom_id: String should match pattern"),
        ([{"custom_id": "a"}], "requests.0.params: Field required"),
        ([{"custom_id": "a", "params": []}], "requests.0.params: Input should be a valid dictionary"),
        ([{"custom_id": "a", "params": {}, "url": "/"}], "requests.0.url: Extra inputs are not permitted"),
        ([{"custom_id": "a", "params": {}}] * 2, "requests.1.custom_id: Duplicate"),
        (["a"], "requests.0: Input should be a valid dictionary"),
    ],
    ids=["none", "no id", "id type", "long id", "id", "no params", "params", "extra", "twice", "no object"],
)
def test_bad_envelope_is_refused_at_once(claude: AnthropicBench, requests: list[Any], message: str) -> None:
    before = len(claude.client.messages.batches.list(limit=1000).data)
    with pytest.raises(anthropic.BadRequestError, match=message) as caught:
        claude.create(requests)

    assert caught.value.type == "invalid_request_error"
    assert caught.value.request_id == caught.value.response.json()["request_id"]
    assert len(claude.client.messages.batches.list(limit=1000).data) == before


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"nonsense", "not valid JSON"),
        (b"{}", "requests: Field required"),
        (b'{"requests": {}}', "requests: Input should be a valid list"),
        (b'{"requests": [], "metadata": {}}', "metadata: Extra inputs are not permitted"),
        (b'{"requests": [{"custom_id": "a", "params": {}}', "not valid JSON"),
    ],
    ids=["no JSON", "no list", "an object", "metadata", "cut short"],
)
def test_body_that_is_no_list_of_requests_is_refused(
    simulator: SimulatorProcess, body: bytes, message: str
) -> None:
    headers = {"x-api-key": "key", **OTHER_VERSION}
    reply = httpx2.post(f"{simulator.url}/v1/messages/batches", content=body, headers=headers)

    assert reply.status_code == 400
    assert message in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (OTHER_VERSION, 401),
        ({"x-api-key": "", **OTHER_VERSION}, 401),
        ({"authorization": "Bearer key", **OTHER_VERSION}, 200),
        ({"x-api-key": "key", **OTHER_VERSION}, 200),
        ({"x-api-key": "key"}, 400),
        ({"x-api-key": "key", "anthropic-version": "latest"}, 400),
    ],
    ids=["no key", "empty key", "bearer", "api key", "no version", "odd version"],
)
def test_key_and_version_are_required(
    simulator: SimulatorProcess, headers: dict[str, str], status: int
) -> None:
    reply = httpx2.get(f"{simulator.url}/v1/messages/batches", headers=headers)

    assert reply.status_code == status
    assert reply.headers["request-id"].startswith("req_")


def test_wrong_key_is_refused(tmp_path: Path, open_claude: Callable[..., AnthropicBench]) -> None:
    config = SimulatorConfig(data_dir=tmp_path, speed=0, api_keys=frozenset({"right"}))
    with running_simulator(config) as simulator:
        open_claude(simulator, api_key="right").client.messages.batches.list()

        with pytest.raises(anthropic.AuthenticationError, match="invalid x-api-key"):
            open_claude(simulator, api_key="wrong").client.messages.batches.list()


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    """A simulator whose limits are small, and which refuses sampling when a batch is created."""
    config = SimulatorConfig(
        data_dir=tmp_path_factory.mktemp("narrow"),
        speed=0,
        anthropic_max_requests=3,
        anthropic_max_bytes=20_000,
        anthropic_queue_limit=4,
        anthropic_sampling="refuse_call",
    )
    with running_simulator(config) as simulator:
        yield simulator


def test_too_many_requests_are_refused(
    narrow: SimulatorProcess, open_claude: Callable[..., AnthropicBench]
) -> None:
    claude = open_claude(narrow)
    with pytest.raises(anthropic.BadRequestError, match="at most 3 items after validation, not 5"):
        claude.create([claude.request(str(n)) for n in range(5)])


def test_body_that_is_too_large_is_refused_by_the_edge(
    narrow: SimulatorProcess, open_claude: Callable[..., AnthropicBench]
) -> None:
    claude = open_claude(narrow)
    with pytest.raises(anthropic.RequestTooLargeError) as caught:
        claude.create([claude.request("r", "x" * 4_000_000)])

    assert caught.value.response.json() == {
        "error": {"type": "request_too_large", "message": "Request exceeds the maximum size"}
    }


def test_queue_is_bounded_over_all_live_batches(
    narrow: SimulatorProcess, open_claude: Callable[..., AnthropicBench]
) -> None:
    claude = open_claude(narrow)
    narrow.set_faults({"call": "anthropic.batches.create", "kind": "stuck"})
    running = claude.create([claude.request(str(n)) for n in range(3)])
    with pytest.raises(anthropic.RateLimitError) as caught:
        claude.create([claude.request(str(n)) for n in range(2)])
    claude.wait(claude.client.messages.batches.cancel(running.id))

    assert caught.value.type == "rate_limit_error"
    assert claude.run([claude.request("r")]).request_counts.succeeded == 1


def test_sampling_refuses_the_call_where_the_setting_says_so(
    narrow: SimulatorProcess, open_claude: Callable[..., AnthropicBench]
) -> None:
    claude = open_claude(narrow)
    with pytest.raises(anthropic.BadRequestError, match=r"requests.0.params.temperature: "):
        claude.create([claude.request("r", temperature=1)])
    older = open_claude(narrow, default_headers=OTHER_VERSION)

    assert older.message(temperature=1)["role"] == "assistant"


def test_large_body_needs_no_memory_to_match(claude: AnthropicBench, simulator: SimulatorProcess) -> None:
    before = psutil.Process(simulator.pid).memory_info().rss
    requests = [claude.request(f"r{n}", "x" * 20_000) for n in range(3000)]
    batch = claude.create(requests)
    grown = psutil.Process(simulator.pid).memory_info().rss - before

    assert batch.request_counts.processing == 3000
    assert grown < 16_000_000
    claude.client.messages.batches.cancel(batch.id)


def test_oracle_tells_what_was_accepted(claude: AnthropicBench, simulator: SimulatorProcess) -> None:
    batch = claude.run([claude.request("mark-000"), claude.request("mark-001")])
    (seen,) = [one for one in simulator.batches() if one["id"] == batch.id]

    assert (seen["provider"], seen["line_count"], seen["status"]) == ("anthropic", 2, "ended")
    assert (seen["first_custom_id"], seen["model"]) == ("mark-000", "claude-haiku-4-5")
    assert len(seen["input_sha256"]) == 64
    assert simulator.calls("anthropic.batches.create")[-1]["retry_count"] == "0"


def test_responder_of_our_own_answers(tmp_path: Path, open_claude: Callable[..., AnthropicBench]) -> None:
    (tmp_path / "claude_responder.py").write_text(
        "def answer(body):\n    return {'title': body['messages'][0]['content'], 'stars': 1}\n"
    )
    config = SimulatorConfig(data_dir=tmp_path / "data", speed=0, responder="claude_responder:answer")
    with running_simulator(config, search_path=[tmp_path]) as simulator:
        message = open_claude(simulator).message(
            tools=[tool()], output_config=None, messages=[{"role": "user", "content": "été"}]
        )

    assert message["content"][0]["input"] == {"title": "été", "stars": 1}


def test_newest_models_take_the_format_and_refuse_forced_tools(claude: AnthropicBench) -> None:
    newest = "claude-opus-5-5"
    forced = {"tools": [tool()], "tool_choice": {"type": "tool", "name": "film"}, "output_config": None}

    assert claude.message(model=newest, output_config=FORMAT)["model"] == newest
    assert claude.refusal(model=newest, **forced) == (
        'tool_choice: type "tool" and "any" are not supported for this model.'
    )
