"""Every object of Anthropic's side, key by key against what the provider sent."""

import json
from typing import Any

import anthropic
import pytest

from anthropic_bench import AnthropicBench
from batchline_simulator import SimulatorProcess
from recordings import recorded

NEWER = {"stop_details", "cache_creation", "service_tier", "details"}
"""Keys that the provider added after the older recordings were made."""


def same_shape(ours: Any, theirs: Any, path: str = "$") -> None:
    """Assert that both have the same keys, nulls and types, in every depth."""
    if isinstance(theirs, dict):
        assert isinstance(ours, dict), path
        assert set(theirs) <= set(ours), f"{path}: {set(theirs) - set(ours)} missing"
        assert set(ours) - set(theirs) <= NEWER, f"{path}: {set(ours) - set(theirs)} made up"
        for key, value in theirs.items():
            same_shape(ours[key], value, f"{path}.{key}")
    elif isinstance(theirs, list):
        for ours_item, theirs_item in zip(ours, theirs, strict=False):
            same_shape(ours_item, theirs_item, f"{path}[]")
    else:
        assert type(ours) is type(theirs), path


def raw(claude: AnthropicBench, path: str = "") -> Any:
    return claude.client.get(f"/v1/messages/batches{path}", cast_to=object)


def lines(claude: AnthropicBench, *requests: dict[str, Any]) -> dict[str, Any]:
    content = claude.content(claude.run(requests)).content
    return {line["custom_id"]: line for line in map(json.loads, content.split(b"\n"))}


def test_batch_that_runs_is_canceled_and_ends(claude: AnthropicBench, simulator: SimulatorProcess) -> None:
    simulator.arm({"call": "anthropic.batches.create", "kind": "stuck"})
    batch = claude.create([claude.request(str(n)) for n in range(3)])
    running, theirs = raw(claude, f"/{batch.id}"), recorded("anthropic_batch_retrieve_in_progress.json")
    canceling = claude.client.messages.batches.cancel(batch.id).to_dict(mode="json")
    claude.wait(batch)

    same_shape(running, theirs)
    assert list(running) == list(theirs)
    assert running["request_counts"] == theirs["request_counts"]
    same_shape(canceling, recorded("anthropic_batch_canceling.json"))
    assert running["created_at"].endswith("+00:00")


def test_ended_batch_names_its_results_on_our_own_host(
    claude: AnthropicBench, simulator: SimulatorProcess
) -> None:
    batch = claude.run([claude.request("r")])
    ended = raw(claude, f"/{batch.id}")

    same_shape(ended, recorded("anthropic_batch_ended.json"))
    assert ended["results_url"] == f"{simulator.url}/v1/messages/batches/{batch.id}/results"


def test_created_batch_and_page(claude: AnthropicBench) -> None:
    created = claude.create([claude.request("r")]).to_dict(mode="json")

    same_shape(created, recorded("anthropic_batch_create_in_progress.json"))
    page, theirs = raw(claude, "?limit=1"), recorded("anthropic_list_page.json")
    assert set(page) == set(theirs)
    assert set(page["data"][0]) == set(theirs["data"][0])


@pytest.mark.parametrize(
    "name",
    [
        "anthropic_results_succeeded_3.jsonl",
        "anthropic_results_resume_3.jsonl",
        "anthropic_results_single.jsonl",
    ],
)
def test_succeeded_line_in_keys_and_order(claude: AnthropicBench, name: str) -> None:
    ours, theirs = lines(claude, claude.request("0", output_config=None))["0"], recorded(name)[0]

    same_shape(ours, theirs)
    assert [key for key in ours["result"]["message"] if key not in NEWER] == list(theirs["result"]["message"])


def test_line_with_thinking(claude: AnthropicBench) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    ours = lines(claude, claude.request("0", output_config=None, thinking=thinking, max_tokens=4096))["0"]
    theirs = recorded("anthropic_results_thinking_2.jsonl")[0]["result"]["message"]

    assert [set(block) for block in ours["result"]["message"]["content"]] == [
        set(block) for block in theirs["content"]
    ]


def test_each_type_of_result(claude: AnthropicBench) -> None:
    ours = lines(
        claude,
        claude.request("my-first-request", output_config=None),
        claude.request("my-second-request", messages=[]),
        claude.request("my-third-request", "[[fault:canceled_row]]"),
        claude.request("my-fourth-request", "[[fault:expired_row]]"),
    )
    for theirs in recorded("anthropic_results_all_four_types.jsonl"):
        line = ours[theirs["custom_id"]]
        if theirs["result"]["type"] == "errored":
            # Most errors in batches name no request.
            theirs["result"]["error"]["request_id"] = None
            assert (
                line["result"]["error"]["error"]["message"] == theirs["result"]["error"]["error"]["message"]
            )
        same_shape(line, theirs)


def test_max_tokens_above_those_of_the_model_reads_as_recorded(claude: AnthropicBench) -> None:
    (theirs,) = recorded("anthropic_results_errored_max_tokens.jsonl")
    request = claude.request("23", model="claude-haiku-4-5-20251001", max_tokens=100_000)

    assert lines(claude, request)["23"] == theirs


def test_flat_error_reads_as_recorded(claude: AnthropicBench) -> None:
    (theirs,) = recorded("anthropic_results_errored_overloaded_FLAT.jsonl")

    assert lines(claude, claude.request("24", "[[fault:flat_error]]"))["24"] == theirs


def test_refusal_and_truncated_answer(claude: AnthropicBench) -> None:
    ours = lines(
        claude, claude.request("r-refusal", "[[fault:refusal]]"), claude.request("r-truncated", max_tokens=1)
    )
    refusal, truncated = recorded("anthropic_results_refusal_and_truncated.jsonl")
    # No category is named for a refusal that was ordered.
    refusal["result"]["message"]["stop_details"]["category"] = None

    same_shape(ours["r-refusal"], refusal)
    same_shape(ours["r-truncated"], truncated)
    for theirs in (refusal, truncated):
        line = ours[theirs["custom_id"]]
        assert line["result"]["message"]["stop_reason"] == theirs["result"]["message"]["stop_reason"]


def test_refused_custom_id_reads_as_recorded(claude: AnthropicBench) -> None:
    theirs = recorded("anthropic_http_400_custom_id.json")
    with pytest.raises(anthropic.BadRequestError) as caught:
        claude.create([claude.request("x" * 65)])
    ours = caught.value.response.json()

    same_shape(ours, theirs["body"])
    assert ours["error"] == theirs["body"]["error"]


def test_create_request_of_the_recordings_is_accepted(claude: AnthropicBench) -> None:
    batch = claude.run(recorded("anthropic_batch_create_request.json")["requests"])

    assert batch.request_counts.succeeded == 3
