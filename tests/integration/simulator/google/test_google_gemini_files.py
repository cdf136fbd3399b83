"""The Gemini API's files, and the keys that its calls ask for."""

import base64
import hashlib
import os
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from google import genai
from google.genai import errors, types

from batchline_simulator import SimulatorConfig, running_simulator


def test_client_finds_the_simulator_by_the_sdks_own_variables(
    gemini: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", gemini.simulator.gemini_url)
    monkeypatch.setenv("GEMINI_API_KEY", "key")
    with genai.Client() as client:
        assert client.files.get(name=gemini.upload([gemini.row("r")]).name).state is types.FileState.ACTIVE


@pytest.mark.parametrize(
    ("keys", "code", "words"),
    [({}, 403, "unregistered callers"), ({"x-goog-api-key": "wrong"}, 400, "API key not valid")],
)
def test_key_is_asked_for(tmp_path: Path, keys: Any, code: int, words: str) -> None:
    config = SimulatorConfig(data_dir=tmp_path, speed=0, api_keys=frozenset({"right"}))
    with running_simulator(config) as simulator:
        reply = httpx2.get(f"{simulator.gemini_url}/v1/batches", headers=keys)
        allowed = httpx2.get(f"{simulator.gemini_url}/v1/batches", headers={"x-goog-api-key": "right"})

    assert (reply.status_code, allowed.status_code) == (code, 200)
    assert words in reply.json()["error"]["message"]


def test_file_is_uploaded_under_the_chosen_name_once(gemini: Any) -> None:
    name = f"chosen-{time.time_ns()}"
    file = gemini.upload([gemini.row("r")], name=name, display_name="shown")
    with pytest.raises(errors.ClientError) as caught:
        gemini.upload([gemini.row("other")], name=name)

    assert (file.name, file.display_name, file.mime_type) == (f"files/{name}", "shown", "application/jsonl")
    assert (caught.value.code, caught.value.status) == (409, "ALREADY_EXISTS")


@pytest.mark.parametrize("name", ["x" * 41, "Upper", "dash-", "under_score"])
def test_name_that_no_file_can_have_is_refused(gemini: Any, name: str) -> None:
    with pytest.raises(errors.ClientError) as caught:
        gemini.upload([gemini.row("r")], name=name)

    assert caught.value.status == "INVALID_ARGUMENT"


def test_large_file_arrives_in_pieces_and_whole(gemini: Any) -> None:
    content, before = os.urandom(20 << 20), len(gemini.simulator.calls("gemini.files.create"))
    file = gemini.upload(content)
    calls = gemini.simulator.calls("gemini.files.create")[before:]

    assert file.size_bytes == len(content)
    assert base64.b64decode(file.sha256_hash).decode() == hashlib.sha256(content).hexdigest()
    assert len(calls) == 4, "one to start, three of up to 8 MiB"
    assert gemini.genai.files.download(file=file.name) == content


def test_upload_says_how_much_is_there(gemini: Any) -> None:
    start = {"x-goog-upload-command": "start", "x-goog-upload-header-content-type": "application/jsonl"}
    url = gemini.wire.post("/gemini/upload/v1/files", headers=start).headers["x-goog-upload-url"]
    part = {"x-goog-upload-command": "upload", "x-goog-upload-offset": "0"}
    gemini.wire.post(url, headers=part, content=b"abcd")
    known = gemini.wire.post(url, headers={"x-goog-upload-command": "query"})
    gap = gemini.wire.post(url, headers={**part, "x-goog-upload-offset": "9"}, content=b"x")
    last = {"x-goog-upload-command": "upload, finalize", "x-goog-upload-offset": "4"}
    done = gemini.wire.post(url, headers=last, content=b"ef")
    again = gemini.wire.post(url, headers=last, content=b"ef")

    assert url.startswith(f"{gemini.simulator.gemini_url}/upload/v1/files?upload_id=")
    assert (known.headers["x-goog-upload-status"], known.headers["x-goog-upload-size-received"]) == (
        "active",
        "4",
    )
    assert gap.status_code == 400
    assert (done.headers["x-goog-upload-status"], done.json()["file"]["sizeBytes"]) == ("final", "6")
    assert again.json() == done.json()


def test_file_without_a_type_is_refused(gemini: Any) -> None:
    reply = gemini.wire.post("/gemini/upload/v1/files", headers={"x-goog-upload-command": "start"})

    assert reply.status_code == 400


def test_files_are_listed_in_pages(gemini: Any) -> None:
    names = {gemini.upload([gemini.row("r")]).name for _ in range(3)}
    found = [file.name for file in gemini.genai.files.list(config={"page_size": 2})]

    assert names <= set(found)
    assert len(found) == len(set(found))


def test_missing_file_is_forbidden(gemini: Any) -> None:
    file = gemini.upload([gemini.row("r")])
    gemini.genai.files.delete(name=file.name)
    with pytest.raises(errors.ClientError) as caught:
        gemini.genai.files.get(name=file.name)

    assert caught.value.code == 403
    assert "You do not have permission to access the File" in str(caught.value.message)


def test_result_file_cannot_be_deleted_by_its_long_name(gemini: Any) -> None:
    operation = gemini.run([gemini.row("r")])
    with pytest.raises(errors.ClientError) as caught:
        gemini.genai.files.delete(name=operation["metadata"]["output"]["responsesFile"])

    assert caught.value.code == 400


def test_result_file_can_be_downloaded_at_both_addresses(gemini: Any) -> None:
    name = gemini.run([gemini.row("r")])["metadata"]["output"]["responsesFile"]
    short = gemini.wire.get(f"/gemini/v1beta/{name}:download?alt=media")
    long = gemini.wire.get(f"/gemini/download/v1beta/{name}:download?alt=media")

    assert short.content == long.content != b""


@pytest.mark.parametrize("kind", ["truncated", "bom", "crlf", "blank_line"])
def test_result_file_is_spoiled_once_and_then_whole(gemini: Any, kind: str) -> None:
    name = gemini.run([gemini.row("a"), gemini.row("b")])["metadata"]["output"]["responsesFile"]
    whole = gemini.genai.files.download(file=name)
    gemini.simulator.arm({"call": "gemini.files.content", "kind": kind})
    spoiled = gemini.genai.files.download(file=name)

    assert spoiled != whole
    assert gemini.genai.files.download(file=name) == whole
