"""The Gemini API's files and batches, as the SDK meets them."""

from typing import Any

import httpx2
import pytest
from google.genai import errors, types
from pydantic import ValidationError

JSONL = {"mime_type": "application/jsonl"}


def arm(gemini: Any, kind: str, **settings: Any) -> None:
    gemini.simulator.arm({"call": "gemini.batches.create", "kind": kind, **settings})


def accepted(gemini: Any) -> int:
    return sum(batch["provider"] == "gemini" for batch in gemini.simulator.batches())


def test_batch_ends_with_every_row_in_order(gemini: Any) -> None:
    created = gemini.create([gemini.row(f"k-{n}") for n in range(40)])
    operation = gemini.ended(created)
    job = gemini.genai.batches.get(name=created.name)
    content = gemini.genai.files.download(file=job.dest.file_name)

    assert created.state is types.JobState.JOB_STATE_PENDING
    assert job.state is types.JobState.JOB_STATE_SUCCEEDED
    assert job.dest.file_name == f"files/{created.name.replace('batches/', 'batch-')}"
    assert [line["key"] for line in gemini.lines(operation)] == [f"k-{n}" for n in range(40)]
    assert {line[:6] for line in content.splitlines()} == {b'{"key"', b'{"resp'}, "the order of keys varies"
    assert operation["metadata"]["batchStats"] == {"requestCount": "40", "successfulRequestCount": "40"}


def test_truth_about_accepted_batches_names_the_input(gemini: Any) -> None:
    file = gemini.upload([gemini.row(f"k-{n}") for n in range(3)])
    gemini.genai.batches.create(
        model="gemini-2.5-flash", src=file.name, config={"display_name": "gemini truth"}
    )
    (batch,) = [found for found in gemini.simulator.batches() if found["display_name"] == "gemini truth"]

    assert (batch["provider"], batch["input_file_id"], batch["line_count"]) == ("gemini", file.name, 3)
    assert batch["model"] == "gemini-2.5-flash"


def test_lost_answer_leaves_a_batch(gemini: Any) -> None:
    file, before = gemini.upload([gemini.row("r")]), accepted(gemini)
    arm(gemini, "drop_after")
    with pytest.raises(httpx2.TransportError):
        gemini.genai.batches.create(model="gemini-2.5-flash", src=file.name)

    assert accepted(gemini) == before + 1


def test_inlined_requests_come_back_in_the_operation(gemini: Any) -> None:
    requests = [
        {"contents": [{"role": "user", "parts": [{"text": text}]}], "metadata": {"key": text}}
        for text in ("a", "[[fault:bad_request]]")
    ]
    created = gemini.genai.batches.create(model="gemini-2.5-flash", src=requests)
    gemini.ended(created)
    responses = gemini.genai.batches.get(name=created.name).dest.inlined_responses
    listed = gemini.wire.get("/gemini/v1/batches?pageSize=1").json()["operations"][0]

    assert [response.metadata["key"] for response in responses] == ["a", "[[fault:bad_request]]"]
    assert responses[0].response.text
    assert responses[1].error.code == 3
    assert (listed["name"], "output" in listed["metadata"], "response" in listed) == (
        created.name,
        False,
        False,
    )


def test_list_goes_on_at_the_page_token_newest_first(gemini: Any) -> None:
    names = [gemini.create([gemini.row("r")]).name for _ in range(5)]
    found = [job.name for job in gemini.genai.batches.list(config={"page_size": 2})]

    assert found[:5] == names[::-1]


def test_cancelled_batch_has_code_13_and_no_results(gemini: Any) -> None:
    arm(gemini, "stuck")
    created = gemini.create([gemini.row("r")])
    gemini.genai.batches.cancel(name=created.name)
    operation = gemini.ended(created)
    gemini.genai.batches.cancel(name=created.name)

    assert operation["metadata"]["state"] == "BATCH_STATE_CANCELLED"
    assert operation["error"] == {"code": 13, "message": f"{created.name} was cancelled"}
    assert "output" not in operation["metadata"]


def test_deleted_batch_takes_its_results_with_it(gemini: Any) -> None:
    operation = gemini.run([gemini.row("r")])
    name = operation["metadata"]["output"]["responsesFile"]
    gemini.genai.batches.delete(name=operation["name"])
    with pytest.raises(errors.ClientError) as caught:
        gemini.genai.batches.get(name=operation["name"])

    assert caught.value.code == 404
    assert gemini.wire.get(f"/gemini/v1/{name}:download?alt=media").status_code == 403


def test_expired_batch_has_no_results(gemini: Any) -> None:
    arm(gemini, "expire", fraction=0.5)
    operation = gemini.run([gemini.row(str(n)) for n in range(4)])

    assert (operation["metadata"]["state"], operation["done"]) == ("BATCH_STATE_EXPIRED", True)
    assert "response" not in operation
    assert "output" not in operation["metadata"]


def test_failed_batch_has_an_error_that_the_sdk_drops(gemini: Any) -> None:
    arm(gemini, "system_error")
    operation = gemini.run([gemini.row("r")])
    job = gemini.genai.batches.get(name=operation["name"])

    assert operation["error"] == {"code": 13, "message": "Internal error"}
    assert (job.state, job.error) == (types.JobState.JOB_STATE_FAILED, None)


def test_objects_in_the_details_of_an_inlined_error_break_the_sdk(gemini: Any) -> None:
    request = {"contents": [{"role": "user", "parts": [{"text": "[[fault:bad_request]]"}]}]}
    arm(gemini, "error_details")
    created = gemini.genai.batches.create(model="gemini-2.5-flash", src=[request])
    gemini.ended(created)
    with pytest.raises(ValidationError):
        gemini.genai.batches.get(name=created.name)


def test_rows_fail_and_break_each_in_its_own_way(gemini: Any) -> None:
    codes = {"bad_request": 3, "rate_limit": 8, "insufficient_quota": 8, "server_error": 13}
    rest = ["content_filter", "refusal", "length", "missing_line", "duplicate_line", "missing_custom_id"]
    operation = gemini.run([gemini.row(kind, f"[[fault:{kind}]]") for kind in [*codes, *rest]])
    lines = gemini.lines(operation)
    found = {line.get("key", "none"): line for line in lines}
    cut = found["length"]["response"]["candidates"][0]

    assert {key: found[key]["error"]["code"] for key in codes} == codes
    assert found["content_filter"]["response"]["promptFeedback"] == {"blockReason": "PROHIBITED_CONTENT"}
    assert found["refusal"]["response"]["candidates"][0]["finishReason"] == "SAFETY"
    assert (cut["finishReason"], cut["index"]) == ("MAX_TOKENS", 0)
    assert sum(line.get("key") == "duplicate_line" for line in lines) == 2
    assert ("missing_line" in found, "none" in found) == (False, True)
    assert operation["metadata"]["batchStats"] == {
        "requestCount": "10",
        "successfulRequestCount": "6",
        "failedRequestCount": "4",
    }


def test_newer_models_sign_their_thoughts_in_a_part_without_text(gemini: Any) -> None:
    operation = gemini.run([gemini.row("r")], model="gemini-3-flash")
    response = gemini.lines(operation)[0]["response"]

    assert set(response["candidates"][0]["content"]["parts"][-1]) == {"thoughtSignature"}
    assert response["usageMetadata"]["thoughtsTokenCount"] > 0


def test_one_reply_is_odd_and_the_next_is_not(gemini: Any) -> None:
    operation = gemini.run([gemini.row("r")])
    for kind in ("unknown_status", "missing_counts"):
        gemini.simulator.arm({"call": "gemini.batches.retrieve", "kind": kind})
    odd = gemini.operation(operation["name"])["metadata"]

    assert (odd["state"], "batchStats" in odd) == ("BATCH_STATE_ARCHIVED", False)
    assert gemini.operation(operation["name"]) == operation


def test_input_may_be_deleted_while_the_batch_runs(gemini: Any) -> None:
    arm(gemini, "delay_after", seconds=0)
    file = gemini.upload([gemini.row("r")])
    created = gemini.genai.batches.create(model="gemini-2.5-flash", src=file.name)
    gemini.genai.files.delete(name=file.name)

    assert len(gemini.lines(gemini.ended(created))) == 1
