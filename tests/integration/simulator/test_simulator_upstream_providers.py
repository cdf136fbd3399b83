"""A live server behind the other providers' forms: what it is asked, and how its answers read there."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from anthropic import Anthropic
from google import genai
from google.genai import types

from anthropic_bench import SCHEMA, AnthropicBench, tool
from batchline_simulator import SimulatorConfig, SimulatorProcess, running_simulator
from fake_upstream import FakeUpstream, Said, chat_reply, running_upstream

FILM = {"title": "Stalker", "stars": 5}
TERMINAL = ("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED", "JOB_STATE_EXPIRED")


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeUpstream]:
    with running_upstream(lambda _: chat_reply("unset")) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def forwarding(fake: FakeUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    config = SimulatorConfig(
        data_dir=tmp_path_factory.mktemp("providers"), speed=0, upstream=fake.url, upstream_attempts=1
    )
    with running_simulator(config) as simulator:
        yield simulator


@pytest.fixture
def upstream(fake: FakeUpstream) -> FakeUpstream:
    fake.asked.clear()
    fake.answer = lambda _: chat_reply(json.dumps(FILM))
    return fake


@pytest.fixture
def claude(forwarding: SimulatorProcess) -> Iterator[AnthropicBench]:
    with Anthropic(base_url=forwarding.url, api_key="key", max_retries=0) as client:
        yield AnthropicBench(client)


@pytest.fixture
def gemini(forwarding: SimulatorProcess) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=forwarding.gemini_url)
    with genai.Client(api_key="key", http_options=options) as client:
        yield client


def generated(client: genai.Client, **config: Any) -> types.InlinedResponse:
    """Run one inlined request to its end."""
    contents = [{"role": "user", "parts": [{"text": "Name a film."}]}]
    request = types.InlinedRequest(contents=contents, config=config or None)  # type: ignore[arg-type]
    job = client.batches.create(model="gemini-2.5-flash", src=[request])
    while job.state is None or job.state.value not in TERMINAL:
        job = client.batches.get(name=str(job.name))
    assert job.dest is not None
    assert job.dest.inlined_responses is not None
    return job.dest.inlined_responses[0]


@pytest.mark.parametrize("system", [None, "Be brief."])
def test_message_becomes_a_conversation_with_a_schema(
    upstream: FakeUpstream, claude: AnthropicBench, system: str | None
) -> None:
    message = claude.message(system=system)
    (asked,) = upstream.asked

    assert json.loads(message["content"][0]["text"]) == FILM
    assert asked.body["messages"][-1] == {"role": "user", "content": "Name a film."}
    assert [turn["content"] for turn in asked.body["messages"][:-1]] == ([] if system is None else [system])
    assert asked.body["response_format"]["json_schema"]["schema"] == SCHEMA


def test_answer_for_a_tool_is_the_input_of_the_tool(upstream: FakeUpstream, claude: AnthropicBench) -> None:
    message = claude.message(output_config=None, tools=[tool()], tool_choice={"type": "tool", "name": "film"})

    assert upstream.asked[0].body["response_format"]["json_schema"]["schema"] == SCHEMA
    assert [block["input"] for block in message["content"] if block["type"] == "tool_use"] == [FILM]


def test_answer_that_is_no_json_does_not_break_the_batch(
    upstream: FakeUpstream, claude: AnthropicBench
) -> None:
    upstream.answer = lambda _: chat_reply("I would say Stalker.")
    batch = claude.run(
        [
            claude.request("text"),
            claude.request(
                "tool", output_config=None, tools=[tool()], tool_choice={"type": "tool", "name": "film"}
            ),
        ]
    )

    assert {result["type"] for result in claude.results(batch).values()} == {"succeeded"}


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "invalid_request_error"), (429, "rate_limit_error"), (503, "api_error")],
)
def test_upstream_failure_is_the_providers_own_error(
    upstream: FakeUpstream, claude: AnthropicBench, status: int, kind: str
) -> None:
    upstream.answer = lambda _: Said({"error": {"message": "no"}}, status)

    assert claude.result()["error"]["error"]["type"] == kind


def test_request_that_the_provider_refuses_is_not_asked(
    upstream: FakeUpstream, claude: AnthropicBench
) -> None:
    assert claude.result(max_tokens=-1)["type"] == "errored"
    assert upstream.asked == []


def test_gemini_request_becomes_a_conversation_with_a_schema(
    upstream: FakeUpstream, gemini: genai.Client
) -> None:
    reply = generated(gemini, response_mime_type="application/json", response_json_schema=SCHEMA)
    (asked,) = upstream.asked

    assert asked.body["model"] == "gemini-2.5-flash"
    assert asked.body["messages"] == [{"role": "user", "content": "Name a film."}]
    assert asked.body["response_format"]["json_schema"]["schema"] == SCHEMA
    assert reply.response is not None
    assert json.loads(str(reply.response.text)) == FILM


def test_gemini_plain_text_is_asked_for_without_a_format(
    upstream: FakeUpstream, gemini: genai.Client
) -> None:
    upstream.answer = lambda _: chat_reply("Stalker.")
    reply = generated(gemini)

    assert "response_format" not in upstream.asked[0].body
    assert reply.response is not None
    assert reply.response.text == "Stalker."
