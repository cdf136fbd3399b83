"""Every object of Google's side, key by key against what Google sent."""

import re
from typing import Any

import pytest
from google.genai import errors

from google_payloads import TIMES, same_shape
from recordings import recorded


def arm(cloud: Any, kind: str, **settings: Any) -> None:
    cloud.simulator.arm({"call": "vertex.batches.create", "kind": kind, **settings})


def vertex_job(cloud: Any, name: str) -> dict[str, Any]:
    """Bring a job into the state of a recording."""
    rows, dest = [cloud.row("a"), cloud.row("b")], {}
    if name in {"pending", "running", "cancelled"}:
        arm(cloud, "stuck", value=f"JOB_STATE_{'RUNNING' if name == 'running' else 'PENDING'}")
    if name == "failed_bad_bucket":
        return dict(cloud.ended(cloud.create_from("gs://no-such-bucket/x.jsonl")))
    if name == "failed_import_metadata_column":
        rows[0]["metadata"] = {"request_id": "a"}
    if name == "failed_output_not_writable":
        dest = {"dest": "gs://read-only-bkt/out/run1"}
    if name == "failed_system_error":
        arm(cloud, "system_error")
    if name == "succeeded_with_row_failures":
        rows.append(cloud.row("c", "[[fault:bad_request]]"))
    job = cloud.create(rows, **dest)
    if name == "cancelled":
        cloud.genai.batches.cancel(name=job.name)
    while name == "running" and cloud.job(job.name)["state"] != "JOB_STATE_RUNNING":
        pass
    return dict(cloud.job(job.name) if name in {"pending", "running"} else cloud.ended(job))


@pytest.mark.parametrize(
    "name",
    [
        "pending",
        "running",
        "succeeded",
        "succeeded_with_row_failures",
        "cancelled",
        "failed_bad_bucket",
        "failed_import_metadata_column",
        "failed_output_not_writable",
        "failed_system_error",
    ],
)
def test_vertex_job(cloud: Any, name: str) -> None:
    ours, theirs = vertex_job(cloud, name), recorded(f"google_vertex_job_{name}.json")
    # While a job runs its counts are unknown, which some recordings say and others do not.
    same_shape(ours, theirs, extra=TIMES | ({"completionStats"} if name == "running" else set()))

    assert ours["state"] == theirs["state"]
    if "error" in theirs:
        assert ours["error"]["code"] == theirs["error"]["code"]
        assert _words(ours["error"]["message"]) == _words(theirs["error"]["message"])


def _words(message: str) -> str:
    """Leave out of a message what names the bucket, the project and the moment."""
    return re.sub(r"gs://\S+|\d+|\b[\w-]+-bkt\b", "*", message)


@pytest.mark.parametrize("name", ["custom_id_real", "bad_request", "invalid_tool_name"])
def test_vertex_prediction_row(cloud: Any, name: str) -> None:
    file = {
        "custom_id_real": "google_vertex_predictions_custom_id_real.jsonl",
        "bad_request": "google_vertex_prediction_row_bad_request.jsonl",
        "invalid_tool_name": "google_vertex_prediction_row_invalid_tool_name.jsonl",
    }[name]
    theirs = recorded(file)[0]
    row = {"request": theirs["request"], **({"custom_id": "r"} if "custom_id" in theirs else {})}
    (ours,) = cloud.predictions(cloud.run([row]))

    same_shape(ours, theirs, extra={"trafficType", "totalTokenCount"})
    assert ours["status"] == theirs["status"]
    assert next(iter(ours)) == next(iter(theirs)), "its columns come first"


def test_vertex_rows_that_were_blocked(cloud: Any) -> None:
    blocked, safety, _, _ = recorded("google_vertex_prediction_row_blocked_prompt_CONSTRUCTED.jsonl")
    rows = cloud.predictions(
        cloud.run([cloud.row(kind, f"[[fault:{kind}]]") for kind in ("content_filter", "refusal")])
    )
    found = {row["custom_id"]: row for row in rows}

    same_shape(found["content_filter"], blocked, extra={"totalTokenCount", "createTime", "responseId"})
    extra = {"totalTokenCount", "createTime", "responseId", "promptTokensDetails"}
    same_shape(found["refusal"], safety, extra=extra)


def test_vertex_refusals(cloud: Any) -> None:
    denied, unknown, ended = recorded("google_vertex_http_errors.json")
    uri, job = cloud.put([cloud.row("r")]), cloud.run([cloud.row("r")])
    cloud.simulator.arm({"call": "vertex.batches.create", "kind": "error_before", "status": 403})
    found = []
    for call in (
        lambda: cloud.create_from(uri),
        lambda: cloud.create_from(uri, model="invalid-model-xyz"),
        lambda: cloud.genai.batches.cancel(name=job["name"]),
    ):
        with pytest.raises(errors.ClientError) as caught:
            call()
        found.append(caught.value.details)

    for ours, theirs in zip(found, (denied, unknown, ended), strict=True):
        same_shape(ours, theirs["body"])
        assert ours["error"]["status"] == theirs["body"]["error"]["status"]
    assert found[1]["error"]["message"] == unknown["body"]["error"]["message"].replace(
        "gemini-does-not-exist", "invalid-model-xyz"
    )


def gemini_operation(gemini: Any, name: str) -> dict[str, Any]:
    """Bring a batch into the state of a recording."""
    if name in {"pending_file", "cancelled"}:
        gemini.simulator.arm({"call": "gemini.batches.create", "kind": "stuck"})
    if name == "failed_CONSTRUCTED":
        gemini.simulator.arm({"call": "gemini.batches.create", "kind": "system_error"})
    job = gemini.create([gemini.row("a"), gemini.row("b")])
    if name == "cancelled":
        gemini.genai.batches.cancel(name=job.name)
    return dict(gemini.operation(job.name) if name == "pending_file" else gemini.ended(job))


@pytest.mark.parametrize(
    "name", ["pending_file", "succeeded_file", "succeeded_file_2026", "cancelled", "failed_CONSTRUCTED"]
)
def test_gemini_operation(gemini: Any, name: str) -> None:
    ours, theirs = gemini_operation(gemini, name), recorded(f"google_gemini_op_{name}.json")
    counts = {"pendingRequestCount", "successfulRequestCount"} if name == "failed_CONSTRUCTED" else set()

    same_shape(ours, theirs, extra=TIMES | counts)
    assert ours["metadata"]["state"] == theirs["metadata"]["state"]
    assert ours["metadata"]["@type"] == theirs["metadata"]["@type"]
    assert ours.get("response", {}).get("@type") == theirs.get("response", {}).get("@type")
    assert ours.get("error", {}).get("code") == theirs.get("error", {}).get("code")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", ours["metadata"]["createTime"])


def test_gemini_inlined_responses(gemini: Any) -> None:
    requests = [{"contents": [{"role": "user", "parts": [{"text": "x"}]}], "metadata": {"key": "x"}}]
    job = gemini.genai.batches.create(model="gemini-2.5-flash", src=requests)
    ours, theirs = gemini.ended(job), recorded("google_gemini_op_succeeded_inline.json")
    newer = {"inputConfig", "output", "metadata", "responseId", "promptTokensDetails"}

    same_shape(
        ours["response"], theirs["response"], extra=newer | {"candidatesTokensDetails", "thoughtsTokenCount"}
    )
    assert ours["metadata"]["output"]["inlinedResponses"] == ours["response"]["inlinedResponses"]


def test_gemini_list(gemini: Any) -> None:
    gemini.create([gemini.row("r")])
    ours = gemini.wire.get("/gemini/v1/batches?pageSize=1").json()
    theirs = recorded("google_gemini_list_running.json")

    counts = {"pendingRequestCount", "successfulRequestCount"}
    optional = TIMES | counts | {"inputConfig", "output", "done", "response", "nextPageToken"}
    same_shape(ours, theirs, extra=optional)


def test_gemini_file(gemini: Any) -> None:
    name = gemini.upload([gemini.row("r")]).name
    ours, theirs = gemini.wire.get(f"/gemini/v1/{name}").json(), recorded("google_gemini_file_resource.json")

    same_shape({"file": ours}, theirs)
    assert len(ours["sha256Hash"]) == len(theirs["file"]["sha256Hash"])


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("google_gemini_results_cookbook.jsonl", "gemini-2.5-pro"),
        ("google_gemini_result_line_thought_signature.jsonl", "gemini-3.5-flash-lite"),
    ],
)
def test_gemini_result_line(gemini: Any, name: str, model: str) -> None:
    (ours,) = gemini.lines(gemini.run([gemini.row("r")], model=model))
    details = {"promptTokensDetails", "candidatesTokensDetails", "thoughtsTokenCount"}

    same_shape(ours, recorded(name)[0], extra=details)


def test_gemini_refusals(gemini: Any) -> None:
    quota, gone, key, _ = (error["body"] for error in recorded("google_gemini_http_errors.json"))
    found = []
    for kind, model in (("quota", "m"), (None, "gemini-2.5-flash-lite"), ("unauthorized", "m")):
        if kind is not None:
            gemini.simulator.arm({"call": "gemini.batches.create", "kind": kind})
        with pytest.raises(errors.ClientError) as caught:
            gemini.create([gemini.row("r")], model=model)
        found.append(caught.value.details)

    assert found == [quota, gone, key]
