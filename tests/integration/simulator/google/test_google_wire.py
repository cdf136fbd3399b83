"""The calls that Google's SDKs were seen to make, made again: same status, same shape."""

import json
import re
from typing import Any

import pytest

from google_payloads import TIMES, same_shape
from recordings import recorded


def arm(cloud: Any, kind: str, **settings: Any) -> None:
    cloud.simulator.arm({"call": "vertex.batches.create", "kind": kind, **settings})


@pytest.mark.parametrize("place", range(5))
def test_storage_answers_the_recorded_calls_of_its_client(cloud: Any, place: int) -> None:
    call = recorded("google_sdk_wire_gcs.json")[place]
    request, expected = call["req"], call["resp"]
    path = request["url"].partition("9924")[2].replace("/b/b1/", f"/b/{cloud.bucket.name}/")
    headers = {name: value for name, value in request["headers"].items() if name != "Content-Length"}
    content = _body(request)
    if expected["status"] == 412:
        cloud.bucket.blob("in/req.jsonl").upload_from_string("there already")
    if request["method"] == "PUT":
        begun = cloud.wire.post(path.partition("&upload_id")[0], json={"name": "in/big.bin"})
        path, content = begun.headers["location"], bytes(9_437_184)
    reply = cloud.wire.request(request["method"], path, headers=headers, content=content)

    assert reply.status_code == expected["status"]
    for name in {"Location", "X-GUploader-UploadID"} & set(expected["headers"]):
        assert name in reply.headers
    if reply.status_code == 412:
        assert reply.json() == json.loads(expected["body"])


def _body(request: dict[str, Any]) -> bytes:
    """Return a recorded body; one that was cut off is closed with the boundary that its header names."""
    body = request["body"] or ""
    boundary = re.search(r'boundary="([^"]+)"', request["headers"].get("content-type", ""))
    if boundary is None or body.endswith("--"):
        return str(body).encode()
    # The checksum is that of the whole.
    whole = re.sub(r', "crc32c": "[^"]+"', "", body)
    return f"{whole}\r\n--{boundary[1]}--".encode()


def test_storage_object(cloud: Any) -> None:
    recording = json.loads(recorded("google_sdk_wire_gcs.json")[0]["resp"]["body"])
    cloud.bucket.blob("shape/object").upload_from_string("x")
    path = f"/storage/v1/b/{cloud.bucket.name}/o/shape%2Fobject"

    same_shape(cloud.wire.get(path).json(), recording)


@pytest.mark.parametrize("place", range(6))
def test_vertex_answers_the_recorded_calls_of_its_sdk(cloud: Any, place: int) -> None:
    call = recorded("google_sdk_wire_vertex.json")[place]
    path, ended = call["path"], {"outputInfo", "completionStats", "nextPageToken"}
    if path.endswith(":cancel"):
        arm(cloud, "stuck")
        path = _with_job(path, cloud.create([cloud.row("r")]).name)
    if call["method"] == "DELETE":
        path = _with_job(path, cloud.run([cloud.row("r")])["name"])
    if call["method"] == "GET":
        cloud.run([cloud.row("r")], display_name="run1-shard0")
        cloud.run([cloud.row("r")], display_name="run1-shard1", labels={"run_id": "run1", "shard": "1"})
    reply = cloud.wire.request(call["method"], path, params=call["query"], json=call["body"])

    assert reply.status_code == call["resp"]["status"]
    extra = TIMES | ended if call["method"] == "GET" else TIMES
    same_shape(reply.json(), call["resp"]["body"], extra=extra)


def _with_job(path: str, name: str) -> str:
    return re.sub(r"batchPredictionJobs/\d+", f"batchPredictionJobs/{name.rpartition('/')[2]}", path)


def test_gemini_answers_the_recorded_upload_of_its_sdk(gemini: Any) -> None:
    start, finish = recorded("google_sdk_wire_gemini.json")[:2]
    content = b"x" * 384
    begun = gemini.wire.post(f"/gemini{start['path']}", headers=_headers(start), json=start["body"])
    done = gemini.wire.post(begun.headers["x-goog-upload-url"], headers=_headers(finish), content=content)

    assert (begun.status_code, begun.content) == (200, b"")
    for name, value in start["resp"]["headers"].items():
        assert name == "X-Goog-Upload-URL" or begun.headers[name] == value
    same_shape(done.json(), finish["resp"]["body"])
    assert done.headers["x-goog-upload-status"] == "final"


@pytest.mark.parametrize("place", [2, 3, 4, 5])
def test_gemini_answers_the_recorded_calls_of_its_sdk(gemini: Any, place: int) -> None:
    call = recorded("google_sdk_wire_gemini.json")[place]
    path, body = call["path"], call["body"]
    if path.endswith(":download"):
        path = f"/v1/{gemini.run([gemini.row('r')])['metadata']['output']['responsesFile']}:download"
    elif path.endswith(":cancel"):
        path = f"/v1/{gemini.create([gemini.row('r')]).name}:cancel"
    elif "fileName" in body["batch"]["inputConfig"]:
        body["batch"]["inputConfig"]["fileName"] = gemini.upload([gemini.row("r")]).name
    reply = gemini.wire.request(
        call["method"], f"/gemini{path}", params=call["query"], headers=_headers(call), json=body
    )

    assert reply.status_code == call["resp"]["status"]
    if isinstance(call["resp"]["body"], dict):
        # The recording's server counted before it ran.
        same_shape(reply.json(), call["resp"]["body"], extra={"successfulRequestCount"})


def _headers(call: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in call["headers"].items() if name != "Content-Length"}
