"""A simulator with buckets, Google's two SDKs in front of it, and the raw wire beside them."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest
from google import genai
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.genai import types
from google.oauth2 import service_account

from batchline_simulator import SimulatorConfig, SimulatorProcess, running_simulator

BUCKET = "demo-bkt"
LOCATIONS = {BUCKET: "us-central1", "europe-bkt": "europe-west4", "read-only-bkt": "us-central1"}
TEXT = {"contents": [{"role": "user", "parts": [{"text": "Name a film."}]}]}
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")

Row = dict[str, Any]


def jsonl(rows: Sequence[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


class Cloud:
    """Cloud Storage and Vertex, and the few steps that every test takes with them."""

    def __init__(self, simulator: SimulatorProcess, credentials: Any, wire: httpx2.Client) -> None:
        self.simulator = simulator
        self.wire = wire
        # As it is with STORAGE_EMULATOR_HOST. A service account would make google-auth ask Google itself for
        # the account's regions, from a thread of its own.
        self.storage = storage.Client(
            project="demo-proj",
            credentials=AnonymousCredentials(),
            client_options={"api_endpoint": simulator.url},
        )
        self.bucket = self.storage.bucket(BUCKET)
        self.genai = self.vertex(credentials)
        self._made = 0

    def vertex(self, credentials: Any, location: str = "us-central1", **options: Any) -> genai.Client:
        http = types.HttpOptions(base_url=self.simulator.url, timeout=30_000, **options)
        return genai.Client(
            vertexai=True, project="demo-proj", location=location, credentials=credentials, http_options=http
        )

    @staticmethod
    def row(custom_id: str, text: str = "Name a film.", **columns: Any) -> Row:
        request = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
        return {"custom_id": custom_id, "request": request, **columns}

    def put(self, rows: Sequence[Any], bucket: str = BUCKET) -> str:
        """Upload rows under a name of their own, and return its address."""
        self._made += 1
        name = f"in/{time.time_ns()}-{self._made}.jsonl"
        content = rows if isinstance(rows, bytes) else jsonl(rows)
        self.storage.bucket(bucket).blob(name).upload_from_string(content, content_type="application/jsonl")
        return f"gs://{bucket}/{name}"

    def create(self, rows: Sequence[Any], **config: Any) -> types.BatchJob:
        return self.create_from(self.put(rows), **config)

    def create_from(
        self, uri: str, *, model: str = "gemini-2.5-flash", labels: Row | None = None, **config: Any
    ) -> types.BatchJob:
        given = {"display_name": f"job-{time.time_ns()}", "dest": uri.replace("/in/", "/out/")} | config
        if labels is not None:
            given["http_options"] = types.HttpOptions(extra_body={"labels": labels})
        return self.genai.batches.create(model=model, src=uri, config=given)

    def job(self, name: str) -> Row:
        """Return a job as it is on the wire."""
        return dict(self.wire.get(f"/v1/{name}").json())

    def ended(self, job: types.BatchJob) -> Row:
        return _ended(lambda: self.job(str(job.name)), lambda found: found["state"])

    def run(self, rows: Sequence[Any], **config: Any) -> Row:
        return self.ended(self.create(rows, **config))

    def objects(self, job: Row) -> list[str]:
        """Return the names of the objects in a job's output directory, without the directory."""
        found = self.storage.list_blobs(BUCKET, prefix=_path(job) + "/")
        return [str(blob.name).rpartition("/")[2] for blob in found]

    def predictions(self, job: Row, name: str = "predictions.jsonl") -> list[Row]:
        content = self.bucket.blob(f"{_path(job)}/{name}").download_as_bytes()
        return [json.loads(line) for line in content.split(b"\n") if line]


class Gemini:
    """The Gemini API, and the few steps that every test takes with it."""

    def __init__(self, simulator: SimulatorProcess, wire: httpx2.Client, folder: Path) -> None:
        self.simulator = simulator
        self.wire = wire
        self.folder = folder
        self.genai = self.client()

    def client(self, **options: Any) -> genai.Client:
        http = types.HttpOptions(base_url=self.simulator.gemini_url, timeout=30_000, **options)
        return genai.Client(api_key="key", http_options=http)

    @staticmethod
    def row(key: str, text: str = "Name a film.") -> Row:
        return {"key": key, "request": {"contents": [{"parts": [{"text": text}]}]}}

    def upload(self, rows: Sequence[Any] | bytes, **config: Any) -> types.File:
        path = self.folder / f"{time.time_ns()}.jsonl"
        path.write_bytes(rows if isinstance(rows, bytes) else jsonl(rows))
        return self.genai.files.upload(file=path, config={"mime_type": "application/jsonl", **config})

    def create(self, rows: Sequence[Any] | bytes, *, model: str = "gemini-2.5-flash") -> types.BatchJob:
        config = {"display_name": f"job-{time.time_ns()}"}
        return self.genai.batches.create(model=model, src=self.upload(rows).name, config=config)

    def operation(self, name: str) -> Row:
        """Return a batch as it is on the wire."""
        return dict(self.wire.get(f"/gemini/v1/{name}").json())

    def ended(self, job: types.BatchJob) -> Row:
        return _ended(lambda: self.operation(str(job.name)), lambda found: found["metadata"]["state"])

    def run(self, rows: Sequence[Any], **config: Any) -> Row:
        return self.ended(self.create(rows, **config))

    def lines(self, operation: Row) -> list[Row]:
        name = operation["metadata"]["output"]["responsesFile"]
        return [json.loads(line) for line in self.genai.files.download(file=name).split(b"\n") if line]


def _path(job: Row) -> str:
    return str(job["outputInfo"]["gcsOutputDirectory"]).removeprefix(f"gs://{BUCKET}/")


def _ended(look: Callable[[], Row], state_of: Callable[[Row], str]) -> Row:
    deadline = time.monotonic() + 30
    while not state_of(found := look()).endswith(ENDED):
        assert time.monotonic() < deadline, f"still {state_of(found)}"
        time.sleep(0.01)
    return found


@pytest.fixture(scope="session")
def google_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("google")


@pytest.fixture(scope="session")
def shared_google_simulator(google_folder: Path) -> Iterator[SimulatorProcess]:
    config = SimulatorConfig(
        data_dir=google_folder / "data",
        speed=0,
        buckets=LOCATIONS,
        denied_buckets=frozenset({"denied-bkt"}),
        output_denied_buckets=frozenset({"read-only-bkt"}),
        retired_models={"gemini-2.5-flash-lite": "gemini-3.5-flash-lite"},
        token_limit={"gemini-limited": 100},
    )
    with running_simulator(config) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def credentials(shared_google_simulator: SimulatorProcess, google_folder: Path) -> Any:
    path = shared_google_simulator.write_service_account(google_folder / "account.json", project="demo-proj")
    scopes = ["https://www.googleapis.com/auth/cloud-platform"]
    return service_account.Credentials.from_service_account_file(path, scopes=scopes)


@pytest.fixture(scope="session")
def shared_wire(shared_google_simulator: SimulatorProcess) -> Iterator[httpx2.Client]:
    headers = {"authorization": "Bearer token", "x-goog-api-key": "key"}
    with httpx2.Client(base_url=shared_google_simulator.url, headers=headers) as client:
        yield client


@pytest.fixture(scope="session")
def shared_cloud(
    shared_google_simulator: SimulatorProcess, credentials: Any, shared_wire: httpx2.Client
) -> Iterator[Cloud]:
    with pytest.MonkeyPatch.context() as patch:
        # A thread of its own would ask for each bucket, at a time of its own.
        patch.setenv("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
        cloud = Cloud(shared_google_simulator, credentials, shared_wire)
        yield cloud
        cloud.storage.close()
        cloud.genai.close()


@pytest.fixture(scope="session")
def shared_gemini(
    shared_google_simulator: SimulatorProcess, shared_wire: httpx2.Client, google_folder: Path
) -> Iterator[Gemini]:
    gemini = Gemini(shared_google_simulator, shared_wire, google_folder)
    yield gemini
    gemini.genai.close()


@pytest.fixture
def google_cloud() -> Iterator[Callable[..., Cloud]]:
    """Put the SDKs in front of any simulator."""
    opened: list[Cloud] = []

    def open_cloud(simulator: SimulatorProcess, credentials: Any) -> Cloud:
        headers = {"authorization": "Bearer token"}
        opened.append(Cloud(simulator, credentials, httpx2.Client(base_url=simulator.url, headers=headers)))
        return opened[-1]

    yield open_cloud
    for one in opened:
        one.wire.close()
        one.storage.close()
        one.genai.close()


@pytest.fixture
def cloud(shared_cloud: Cloud) -> Cloud:
    shared_cloud.simulator.set_faults()
    return shared_cloud


@pytest.fixture
def gemini(shared_gemini: Gemini) -> Gemini:
    shared_gemini.simulator.set_faults()
    return shared_gemini
