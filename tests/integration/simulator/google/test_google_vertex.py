"""Vertex's batch prediction jobs, from the call that creates one to its end."""

import json
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from google import genai
from google.genai import errors, types


def jobs_named(cloud: Any, name: str) -> list[dict[str, Any]]:
    return [batch for batch in cloud.simulator.batches() if batch["display_name"] == name]


def arm(cloud: Any, kind: str, **settings: Any) -> None:
    cloud.simulator.arm({"call": "vertex.batches.create", "kind": kind, **settings})


def test_client_with_default_credentials_takes_its_token_from_the_simulator(
    cloud: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(cloud.simulator.calls("google.token"))
    account = cloud.simulator.write_service_account(tmp_path / "account.json")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account))
    monkeypatch.setenv("GOOGLE_VERTEX_BASE_URL", cloud.simulator.url)
    with genai.Client(vertexai=True, project="demo-proj", location="us-central1") as client:
        list(client.batches.list())

    assert len(cloud.simulator.calls("google.token")) == before + 1
    assert account.stat().st_mode & 0o077 == 0, "a key is its owner's business"


def test_token_is_given_for_a_signed_request_only(cloud: Any) -> None:
    reply = cloud.wire.post("/token", data={"grant_type": "password"})

    assert (reply.status_code, reply.json()["error"]) == (400, "invalid_grant")


def test_call_without_a_token_is_refused(cloud: Any) -> None:
    reply = httpx2.get(f"{cloud.simulator.url}/v1/projects/p/locations/us-central1/batchPredictionJobs")

    assert (reply.status_code, reply.json()["error"]["status"]) == (401, "UNAUTHENTICATED")


def test_job_ends_with_every_row_once_in_the_directory_named_after_its_creation(cloud: Any) -> None:
    created = cloud.create([cloud.row(f"r-{n}") for n in range(20)])
    job = cloud.ended(created)
    ids = [row["custom_id"] for row in cloud.predictions(job)]

    assert created.state is types.JobState.JOB_STATE_PENDING
    assert cloud.genai.batches.get(name=created.name).state is types.JobState.JOB_STATE_SUCCEEDED
    prefix = job["outputConfig"]["gcsDestination"]["outputUriPrefix"]
    assert job["outputInfo"]["gcsOutputDirectory"] == f"{prefix}/prediction-model-{job['createTime']}"
    assert sorted(ids) == sorted(f"r-{n}" for n in range(20))
    assert ids != [f"r-{n}" for n in range(20)], "the order is another one"
    assert job["completionStats"] == {"successfulCount": "20"}


def test_name_bears_the_number_of_the_project_and_the_id_works_too(cloud: Any) -> None:
    job = cloud.run([cloud.row("r")])
    number, job_id = job["name"].split("/")[1], job["name"].rpartition("/")[2]
    path = f"projects/demo-proj/locations/us-central1/batchPredictionJobs/{job_id}"

    assert number.isdecimal()
    assert cloud.job(path) == job
    assert "error" in cloud.job(path.replace("us-central1", "europe-west4")), (
        "it is known in its location only"
    )


def test_truth_about_accepted_jobs_names_labels_and_input(cloud: Any) -> None:
    rows = [cloud.row(f"r-{n}") for n in range(3)]
    uri = cloud.put(rows)
    cloud.create_from(uri, display_name="truth", labels={"run_id": "run1"})
    (batch,) = jobs_named(cloud, "truth")

    assert batch["provider"] == "vertex"
    assert (batch["labels"], batch["input_file_id"], batch["line_count"]) == ({"run_id": "run1"}, uri, 3)


@pytest.mark.parametrize(
    ("filtered", "found"),
    [
        ('displayName="{0}-a"', "a"),
        ("displayName = {0}-a", "a"),
        ('displayName:"{0}-*"', "cba"),
        ('labels.round="{0}" AND labels.k="1"', "a"),
        ("labels.round={0} AND NOT labels.k=1", "cb"),
        ('labels.round={0} AND labels.k="1" OR labels.k="2"', "ba"),
        ('labels.round={0} AND (labels.k="3" OR displayName="{0}-b")', "cb"),
        ("labels.round={0} AND labels.only:*", "c"),
        ('labels.round={0} AND state="JOB_STATE_SUCCEEDED"', "cba"),
        ('labels.round={0} AND state!="JOB_STATE_SUCCEEDED"', ""),
        ('displayName:"{0}-*" AND createTime>"2020-01-01T00:00:00Z"', "cba"),
    ],
)
def test_list_takes_googles_filters(cloud: Any, filtered: str, found: str) -> None:
    stamp = f"f{time.time_ns()}"
    for letter, labels in (("a", {"k": "1"}), ("b", {"k": "2"}), ("c", {"k": "3", "only": "c"})):
        job = cloud.create(
            [cloud.row("r")], display_name=f"{stamp}-{letter}", labels={"round": stamp, **labels}
        )
        cloud.ended(job)
    jobs = cloud.genai.batches.list(config={"filter": filtered.format(stamp)})

    assert "".join(str(job.display_name)[-1] for job in jobs) == found


@pytest.mark.parametrize("text", ['color="red"', "displayName=", '(state="x"', "displayName ~ 1", "="])
def test_filter_that_cannot_be_read_is_refused(cloud: Any, text: str) -> None:
    with pytest.raises(errors.ClientError) as caught:
        list(cloud.genai.batches.list(config={"filter": text}))

    assert caught.value.status == "INVALID_ARGUMENT"


def test_list_goes_on_at_the_page_token(cloud: Any) -> None:
    uri, stamp = cloud.put([cloud.row("r")]), f"p{time.time_ns()}"
    names = [cloud.create_from(uri, display_name=stamp).name for _ in range(5)]
    found = cloud.genai.batches.list(config={"filter": f'displayName="{stamp}"', "page_size": 2})

    assert [job.name for job in found] == names[::-1]


def test_new_job_is_left_out_of_lists_for_a_while(cloud: Any) -> None:
    arm(cloud, "list_lag", seconds=3)
    cloud.create([cloud.row("r")], display_name="lagging")
    wanted = {"filter": 'displayName="lagging"'}
    hidden = list(cloud.genai.batches.list(config=wanted))

    assert hidden == []
    while not list(cloud.genai.batches.list(config=wanted)):
        pass


def test_job_that_waits_is_cancelled_and_has_no_output(cloud: Any) -> None:
    arm(cloud, "stuck")
    created = cloud.create([cloud.row("r")])
    cloud.genai.batches.cancel(name=created.name)
    job = cloud.ended(created)

    assert (job["state"], job["error"]) == ("JOB_STATE_CANCELLED", {"code": 1, "message": "CANCELED"})
    assert "outputInfo" not in job


def test_job_that_has_ended_cannot_be_cancelled(cloud: Any) -> None:
    job = cloud.run([cloud.row("r")])
    with pytest.raises(errors.ClientError) as caught:
        cloud.genai.batches.cancel(name=job["name"])

    assert (caught.value.code, caught.value.status) == (400, "FAILED_PRECONDITION")


def test_deleted_job_is_gone_and_still_counted(cloud: Any) -> None:
    job = cloud.run([cloud.row("r")], display_name="deleted")
    cloud.genai.batches.delete(name=job["name"])
    with pytest.raises(errors.ClientError) as caught:
        cloud.genai.batches.get(name=job["name"])

    assert caught.value.code == 404
    assert [batch["deleted"] for batch in jobs_named(cloud, "deleted")] == [True]


def test_job_that_runs_cannot_be_deleted(cloud: Any) -> None:
    arm(cloud, "stuck")
    job = cloud.create([cloud.row("r")])
    with pytest.raises(errors.ClientError) as caught:
        cloud.genai.batches.delete(name=job.name)
    cloud.genai.batches.cancel(name=job.name)

    assert caught.value.status == "FAILED_PRECONDITION"


def test_global_location_has_the_newest_models_and_reads_every_bucket(cloud: Any, credentials: Any) -> None:
    uri = cloud.put([cloud.row("r")], bucket="europe-bkt")
    with cloud.vertex(credentials, "global") as client:
        config = {"display_name": "global", "dest": "gs://demo-bkt/out/global"}
        created = client.batches.create(model="gemini-3-flash", src=uri, config=config)

    assert cloud.ended(created)["state"] == "JOB_STATE_SUCCEEDED"


def test_input_may_be_several_objects_and_a_pattern(cloud: Any) -> None:
    folder = f"in/{time.time_ns()}"
    for name in "ab":
        # Without a line feed at its end, which must not join two rows.
        content = json.dumps(cloud.row(name))
        cloud.bucket.blob(f"{folder}/{name}.jsonl").upload_from_string(content)
    uris = [f"gs://demo-bkt/{folder}/*.jsonl", cloud.put([cloud.row("c")])]
    created = cloud.genai.batches.create(
        model="gemini-2.5-flash",
        src=types.BatchJobSource(gcs_uri=uris, format="jsonl"),
        config={"display_name": "several", "dest": "gs://demo-bkt/out/several"},
    )
    job = cloud.ended(created)

    assert sorted(row["custom_id"] for row in cloud.predictions(job)) == ["a", "b", "c"]


def test_part_of_the_rows_lies_beside_the_predictions_as_exported_early(cloud: Any) -> None:
    job = cloud.run([cloud.row(f"r-{n}") for n in range(5)])
    early = cloud.predictions(job, "incremental_predictions.jsonl")

    assert cloud.objects(job) == ["incremental_predictions.jsonl", "predictions.jsonl"]
    assert 0 < len(early) < 5
    assert {row["custom_id"] for row in early} <= {f"r-{n}" for n in range(5)}
