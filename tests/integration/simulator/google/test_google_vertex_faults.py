"""How Vertex's jobs and calls go wrong: early, late, and by a fault."""

import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from google import genai
from google.genai import errors, types
from pydantic import ValidationError

from batchline_simulator import SimulatorConfig, running_simulator


def jobs_named(cloud: Any, name: str) -> list[dict[str, Any]]:
    return [batch for batch in cloud.simulator.batches() if batch["display_name"] == name]


def arm(cloud: Any, kind: str, **settings: Any) -> None:
    cloud.simulator.arm({"call": "vertex.batches.create", "kind": kind, **settings})


@pytest.mark.parametrize(("retries", "times"), [(None, 1), (types.HttpRetryOptions(initial_delay=0.01), 2)])
def test_lost_answer_leaves_one_job_for_each_attempt_of_the_sdk(
    cloud: Any, credentials: Any, retries: Any, times: int
) -> None:
    arm(cloud, "delay_after", seconds=4)
    name, uri = f"lost-{times}", cloud.put([cloud.row("r")])
    options = types.HttpOptions(base_url=cloud.simulator.url, timeout=1500, retry_options=retries)
    with genai.Client(
        vertexai=True,
        project="demo-proj",
        location="us-central1",
        credentials=credentials,
        http_options=options,
    ) as client:
        config = {"display_name": name, "dest": "gs://demo-bkt/out/lost"}
        if times == 1:
            with pytest.raises(httpx2.TimeoutException):
                client.batches.create(model="gemini-2.5-flash", src=uri, config=config)
        else:
            client.batches.create(model="gemini-2.5-flash", src=uri, config=config)

    assert len(jobs_named(cloud, name)) == times


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("invalid-model-xyz", "The PublisherModel invalid-model-xyz does not exist."),
        ("gemini-3-flash", "The PublisherModel gemini-3-flash does not exist."),
    ],
)
def test_model_that_the_location_lacks_is_not_found(cloud: Any, model: str, message: str) -> None:
    uri = cloud.put([cloud.row("r")])
    with pytest.raises(errors.ClientError) as caught:
        cloud.create_from(uri, model=model)

    assert (caught.value.code, caught.value.message) == (404, message)


@pytest.mark.parametrize(
    ("source", "dest", "code", "words"),
    [
        ("gs://no-bkt/a.jsonl", None, 9, "Failed to get GCS bucket location for no-bkt. Please check that"),
        ("gs://denied-bkt/a.jsonl", None, 9, "Failed to get GCS bucket location for denied-bkt."),
        (None, "gs://no-bkt/out", 9, "Failed to get GCS bucket location for no-bkt."),
        (None, "gs://europe-bkt/out", 3, "It must be in the same regional location as the service location"),
        ("gs://demo-bkt/none.jsonl", None, 3, "Not found: URI gs://demo-bkt/none.jsonl"),
    ],
)
def test_wrong_place_is_accepted_and_fails_the_job_later(
    cloud: Any, source: str | None, dest: str | None, code: int, words: str
) -> None:
    uri = source or cloud.put([cloud.row("r")])
    job = cloud.ended(cloud.create_from(uri, dest=dest or "gs://demo-bkt/out/wrong"))

    assert (job["state"], job["error"]["code"]) == ("JOB_STATE_FAILED", code)
    assert words in job["error"]["message"]


def test_output_that_cannot_be_written_fails_the_job_after_it_was_paid_for(cloud: Any) -> None:
    job = cloud.run([cloud.row("a"), cloud.row("b")], dest="gs://read-only-bkt/out")

    assert (job["state"], job["error"]["code"]) == ("JOB_STATE_FAILED", 7)
    assert 'sufficient permission "storage.objects.create" to write gs://read-only' in job["error"]["message"]
    assert job["completionStats"] == {"successfulCount": "2"}
    assert job["outputInfo"]["gcsOutputDirectory"].startswith("gs://read-only-bkt/out/prediction-model-")


def test_expired_job_has_the_rows_that_were_done(cloud: Any) -> None:
    arm(cloud, "expire", fraction=0.3)
    job = cloud.run([cloud.row(str(n)) for n in range(10)])

    assert job["state"] == "JOB_STATE_EXPIRED"
    assert job["completionStats"] == {"successfulCount": "7", "incompleteCount": "3"}
    assert len(cloud.predictions(job)) == 7


def test_partly_succeeded_job_lacks_rows_and_is_not_done_for_the_sdk(cloud: Any) -> None:
    arm(cloud, "expire", fraction=0.5, value="JOB_STATE_PARTIALLY_SUCCEEDED")
    job = cloud.run([cloud.row(str(n)) for n in range(4)])

    assert job["state"] == "JOB_STATE_PARTIALLY_SUCCEEDED"
    assert len(cloud.predictions(job)) == 2
    assert cloud.genai.batches.get(name=job["name"]).done is False


def test_job_of_failed_rows_succeeds(cloud: Any) -> None:
    arm(cloud, "all_failed")
    job = cloud.run([cloud.row(str(n)) for n in range(3)])

    assert (job["state"], job["completionStats"]) == ("JOB_STATE_SUCCEEDED", {"failedCount": "3"})


def test_job_fails_though_nothing_is_wrong_with_it(cloud: Any) -> None:
    found = []
    for kind in ("cannot_find_file", "system_error"):
        arm(cloud, kind)
        found.append(cloud.run([cloud.row("r")])["error"])

    assert [error["code"] for error in found] == [3, 13]
    assert "tenant_dataset" in found[0]["message"]


def test_objects_in_error_details_break_the_sdk(cloud: Any) -> None:
    arm(cloud, "error_details")
    arm(cloud, "system_error")
    job = cloud.run([cloud.row("r")])
    with pytest.raises(ValidationError):
        cloud.genai.batches.get(name=job["name"])

    assert job["error"]["details"][0]["links"][0]["url"]


@pytest.mark.parametrize("state", ["JOB_STATE_PENDING", "JOB_STATE_RUNNING"])
def test_job_is_stuck_until_it_is_cancelled(cloud: Any, state: str) -> None:
    arm(cloud, "stuck", value=state)
    created = cloud.create([cloud.row("r")])
    while (job := cloud.job(created.name))["state"] != state:
        pass
    time.sleep(0.1)
    still = cloud.job(created.name)
    cloud.genai.batches.cancel(name=created.name)

    assert still["state"] == state
    assert still.get("completionStats") == (
        {"incompleteCount": "-1"} if state == "JOB_STATE_RUNNING" else None
    )
    assert job["name"] == still["name"]


def test_one_reply_is_odd_and_the_next_is_not(cloud: Any) -> None:
    job = cloud.run([cloud.row("r")])
    cloud.simulator.arm(
        {"call": "vertex.batches.retrieve", "kind": "unknown_status", "value": "JOB_STATE_PAUSED"},
        {"call": "vertex.batches.retrieve", "kind": "missing_counts"},
    )
    odd = cloud.job(job["name"])

    assert (odd["state"], odd.get("completionStats")) == ("JOB_STATE_PAUSED", None)
    assert cloud.job(job["name"]) == job


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"kind": "rate_limit"}, "RESOURCE_EXHAUSTED"),
        ({"kind": "error_before", "status": 403}, "PERMISSION_DENIED"),
        ({"kind": "unauthorized"}, "UNAUTHENTICATED"),
        ({"kind": "unavailable"}, "UNAVAILABLE"),
    ],
)
@pytest.mark.parametrize("call", ["create", "retrieve", "list", "cancel", "delete"])
def test_refused_call_has_googles_status(cloud: Any, call: str, fault: Any, status: str) -> None:
    calls = {
        "create": lambda: cloud.create_from("gs://demo-bkt/in/x.jsonl"),
        "retrieve": lambda: cloud.genai.batches.get(name="1"),
        "list": lambda: list(cloud.genai.batches.list()),
        "cancel": lambda: cloud.genai.batches.cancel(name="1"),
        "delete": lambda: cloud.genai.batches.delete(name="1"),
    }
    cloud.simulator.arm({"call": f"vertex.batches.{call}", **fault})
    with pytest.raises(errors.APIError) as caught:
        calls[call]()

    assert caught.value.status == status


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_job_goes_on_after_a_restart(tmp_path: Path, credentials: Any, end: str, google_cloud: Any) -> None:
    config = SimulatorConfig(data_dir=tmp_path, speed=6, buckets={"demo-bkt": "us-central1"})
    with running_simulator(config) as first:
        cloud = google_cloud(first, credentials)
        created = cloud.create([cloud.row(f"r-{n}") for n in range(50)], labels={"k": "v"})
        while cloud.job(created.name)["state"] == "JOB_STATE_PENDING":
            pass
        getattr(first, end)()
    with running_simulator(config) as second:
        cloud = google_cloud(second, credentials)
        job = cloud.ended(created)
        ids = sorted(row["custom_id"] for row in cloud.predictions(job))

    assert job["labels"] == {"k": "v"}
    assert ids == sorted(f"r-{n}" for n in range(50))


def test_job_that_is_cancelled_while_it_runs_keeps_what_was_done(
    tmp_path: Path, credentials: Any, google_cloud: Any
) -> None:
    config = SimulatorConfig(data_dir=tmp_path, speed=0.5, buckets={"demo-bkt": "us-central1"})
    with running_simulator(config) as simulator:
        cloud = google_cloud(simulator, credentials)
        created = cloud.create([cloud.row(f"r-{n}") for n in range(100)])
        while "completionStats" not in cloud.job(created.name):
            pass
        cloud.genai.batches.cancel(name=created.name)
        cancelling = cloud.job(created.name)["state"]
        job = cloud.ended(created)
        rows = cloud.predictions(job)

    assert (cancelling, job["state"]) == ("JOB_STATE_CANCELLING", "JOB_STATE_CANCELLED")
    assert job["error"] == {"code": 1, "message": "CANCELED"}
    assert 0 < len(rows) < 100
    assert "completionStats" not in job


def test_job_that_waits_for_too_long_expires_without_having_run(
    tmp_path: Path, credentials: Any, google_cloud: Any
) -> None:
    config = SimulatorConfig(data_dir=tmp_path, speed=200_000, buckets={"demo-bkt": "us-central1"})
    with running_simulator(config) as simulator:
        cloud = google_cloud(simulator, credentials)
        arm(cloud, "stuck")
        job = cloud.run([cloud.row("r")])

    assert job["state"] == "JOB_STATE_EXPIRED"
    assert "outputInfo" not in job
