"""Vertex AI's transport against the simulated cloud: what is checked first, and what is in the bucket."""

from __future__ import annotations

import io
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from batchline_shared.accounts import Account
from batchline_shared.errors import ProviderAuthError, ProviderRejectedError
from batchline_simulator import SimulatorConfig, SimulatorProcess, running_simulator
from batchline_worker.providers.base import BatchPhase, Search, SendAgain, Submission
from batchline_worker.providers.google import GoogleProvider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchline_worker.providers.base import RemoteBatch

HERE, FAR, DENIED, READ_ONLY = "near-bucket", "far-bucket", "denied-bucket", "read-only-bucket"

MODEL = "gemini-2.5-flash"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    config = SimulatorConfig(
        data_dir=tmp_path_factory.mktemp("cloud"),
        speed=0,
        buckets={HERE: "us-central1", FAR: "europe-west4", DENIED: "us-central1", READ_ONLY: "us-central1"},
        denied_buckets=frozenset({DENIED}),
        output_denied_buckets=frozenset({READ_ONLY}),
        prediction_shards=3,
    )
    with running_simulator(config) as server:
        yield server


@pytest.fixture(scope="module")
def key_file(cloud: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cloud.write_service_account(tmp_path_factory.mktemp("key") / "account.json")


@pytest.fixture(autouse=True)
def _environment(cloud: SimulatorProcess, key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.set_faults()
    for variable in ("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION", "GCS_BUCKET"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("GOOGLE_VERTEX_BASE_URL", cloud.url)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", cloud.url)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key_file))


@contextmanager
def provider(**fields: Any) -> Iterator[GoogleProvider]:
    account = Account.model_validate({"provider": "google", "project": "p", "bucket": HERE} | fields)
    made = GoogleProvider("google", account, retry_waits_s=(0.0, 0.0))
    try:
        yield made
    finally:
        made.close()


def rows(count: int, *, padding: int = 0) -> io.BytesIO:
    def line(at: int) -> bytes:
        text = f"prompt {at} {'x' * padding}"
        request = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
        return orjson.dumps({"custom_id": f"row-{at}", "request": request}) + b"\n"

    return io.BytesIO(b"".join(map(line, range(count))))


def submission(file_id: str, *, shard: str = "s-1", model: str = MODEL, requests: int = 3) -> Submission:
    return Submission(shard, "job_1", "/generateContent", model, requests, file_id)


def ended(made: GoogleProvider, batch: RemoteBatch) -> RemoteBatch:
    deadline = time.monotonic() + 20
    while not (batch := made.poll(batch.id)).phase.is_final:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return batch


def objects(cloud: SimulatorProcess, call: str = "gcs.objects.create") -> int:
    return len(cloud.calls(call))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"project": None}, "GOOGLE_CLOUD_PROJECT is not set"),
        ({"bucket": None}, "GCS_BUCKET is not set"),
        ({"bucket": "no-bucket"}, "'no-bucket' does not exist; create it"),
        ({"bucket": DENIED}, "roles/storage.objectUser"),
        ({"bucket": FAR, "location": "us-central1"}, "is in europe-west4, but jobs run in us-central1"),
        ({"credentials_file": "/nowhere/account.json"}, "credentials file cannot be used"),
    ],
    ids=["project", "bucket", "no-such-bucket", "denied", "region", "credentials"],
)
def test_what_is_missing_is_told_before_anything_is_uploaded(
    cloud: SimulatorProcess, fields: dict[str, Any], told: str
) -> None:
    before = objects(cloud)

    with provider(**fields) as made, pytest.raises(ProviderAuthError, match=told):
        made.upload(rows(1), name="never")

    assert [call["status"] for call in cloud.calls("gcs.objects.create")[before:]] in ([], [403])


def test_without_credentials_it_is_said_how_to_give_some(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))

    with provider() as made, pytest.raises(ProviderAuthError, match="GOOGLE_APPLICATION_CREDENTIALS"):
        made.upload(rows(1), name="never")


def test_a_caller_who_may_not_use_vertex_is_told_the_role_before_the_upload(cloud: SimulatorProcess) -> None:
    cloud.arm({"call": "vertex.batches.list", "kind": "error_before", "status": 403})
    before = objects(cloud)

    with provider() as made, pytest.raises(ProviderAuthError, match=r"roles/aiplatform\.user"):
        made.upload(rows(1), name="never")

    assert objects(cloud) == before


def test_what_was_found_right_is_not_looked_at_again(cloud: SimulatorProcess) -> None:
    with provider() as made:
        made.upload(rows(1), name="first")
        before = objects(cloud, "gcs.buckets.get"), objects(cloud, "vertex.batches.list")
        made.upload(rows(1), name="second")

    assert (objects(cloud, "gcs.buckets.get"), objects(cloud, "vertex.batches.list")) == before


def test_a_bucket_that_only_some_locations_can_use_is_checked_again_with_the_model(
    cloud: SimulatorProcess,
) -> None:
    before = objects(cloud, "vertex.batches.create")
    with provider(bucket=FAR) as made:
        file_id = made.upload(rows(1), name="far")
        with pytest.raises(ProviderAuthError, match="europe-west4"):
            made.create(submission(file_id))

        batch = made.create(submission(file_id, model="gemini-3.1-flash-lite"))

    assert "/locations/global/" in batch.id
    assert objects(cloud, "vertex.batches.create") == before + 1


def test_jobs_of_either_location_are_found_and_polled() -> None:
    with provider() as made:
        file_id = made.upload(rows(3), name="both")
        models = [MODEL, "gemini-3.1-flash-lite"] * 2
        jobs = [made.create(submission(file_id, shard="both-1", model=model)) for model in models]

        found = made.find(search(file_id, shard="both-1"))
        polled = made.poll_many([job.id for job in jobs])

    assert [job.id for job in found] == [job.id for job in jobs]
    assert set(polled) == {job.id for job in jobs}


def search(file_id: str, *, shard: str) -> Search:
    return Search(shard, file_id, 3, time.time() - 600, time.time() + 600)


def test_a_job_is_made_and_found_where_it_was_meant_to_be_whatever_the_settings_say_by_then() -> None:
    with provider(location="us-central1") as made:
        file_id = made.upload(rows(3), name="moved")
    with provider(location="global") as made:
        job = made.create(submission(file_id, shard="moved"))

        found = made.find(search(file_id, shard="moved"))

    assert "/locations/us-central1/" in job.id
    assert [batch.id for batch in found] == [job.id]


def test_an_upload_that_is_there_already_is_compared_and_not_written_again() -> None:
    with provider() as made:
        first = made.upload(rows(2), name="same")

        assert made.upload(rows(2), name="same") == first == f"gs://{HERE}/batchline/same/unset/input.jsonl"
        with pytest.raises(ProviderRejectedError):
            made.upload(rows(3), name="same")


def test_an_upload_in_pieces_gets_over_a_lost_piece_and_results_are_read_in_pieces(
    cloud: SimulatorProcess,
) -> None:
    with provider() as made:
        cloud.arm({"call": "gcs.objects.create", "kind": "drop_before", "skip": 2})
        file_id = made.upload(rows(20, padding=1_000_000), name="large")
        batch = ended(made, made.create(submission(file_id, requests=20)))
        before = objects(cloud, "gcs.objects.content")

        lines = list(made.lines(batch))

    assert sorted(orjson.loads(line)["custom_id"] for line in lines) == sorted(f"row-{n}" for n in range(20))
    # Three files; the echoed prompts make each some pieces long, and no whole one is held.
    assert objects(cloud, "gcs.objects.content") >= before + 3


def test_a_job_that_cannot_write_has_failed_with_googles_words() -> None:
    with provider(bucket=READ_ONLY) as made:
        batch = ended(made, made.create(submission(made.upload(rows(3), name="denied"))))
        lines = list(made.lines(batch))

    assert (batch.phase, batch.errors[0].code, batch.send_again) == (BatchPhase.FAILED, "7", None)
    assert "storage.objects.create" in batch.errors[0].message
    # It counts what it answered, and had nowhere to write it: not to be waited for.
    assert (batch.completed, lines) == (3, [])


@pytest.mark.parametrize("faults", [["system_error"], ["system_error", "error_details"]], ids=len)
def test_a_job_that_broke_is_sent_again_whatever_its_errors_details(
    cloud: SimulatorProcess, faults: list[str]
) -> None:
    cloud.arm(*({"call": "vertex.batches.create", "kind": fault} for fault in faults))
    with provider() as made:
        batch = ended(made, made.create(submission(made.upload(rows(1), name=f"broke-{len(faults)}"))))

    assert (batch.phase, batch.send_again) == (BatchPhase.FAILED, SendAgain.BROKEN)


def test_cleaning_up_leaves_no_object_and_no_job() -> None:
    with provider() as made:
        file_id = made.upload(rows(3), name="clean")
        jobs = [ended(made, made.create(submission(file_id, shard="clean"))) for _ in range(2)]
        for job in jobs:
            made.clean_up(file_id=file_id, batch_id=job.id)

        assert made.find(search(file_id, shard="clean")) == []
        with pytest.raises(ProviderRejectedError):
            made.poll(jobs[0].id)
        # The name is free again, for a content of its own.
        assert made.upload(rows(1), name="clean") == file_id


def test_a_token_that_cannot_be_renewed_stops_a_creation_before_it_is_sent(cloud: SimulatorProcess) -> None:
    with provider() as made:
        file_id = made.upload(rows(1), name="token")
    before = objects(cloud, "vertex.batches.create")
    cloud.arm({"call": "google.token", "kind": "error_before", "status": 400, "times": 9})

    with provider() as made, pytest.raises(ProviderAuthError):
        made.create(submission(file_id))

    assert objects(cloud, "vertex.batches.create") == before


def test_a_name_that_is_no_job_is_unknown() -> None:
    with provider() as made:
        batch = ended(made, made.create(submission(made.upload(rows(1), name="unknown"))))
        other = replace(batch, id=batch.id.rpartition("/")[0] + "/1")

        for name in ("batch_1", other.id):
            with pytest.raises(ProviderRejectedError):
                made.poll(name)
