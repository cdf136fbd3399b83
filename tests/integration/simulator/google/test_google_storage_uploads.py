"""Uploads to Cloud Storage: at once and in pieces, once and again."""

import os
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from google.api_core import exceptions

from batchline_simulator import SimulatorConfig, running_simulator

MIB = 1 << 20


def named(kind: str) -> str:
    return f"{kind}/{time.time_ns()}"


def test_large_object_arrives_in_pieces_and_whole(cloud: Any) -> None:
    content, blob = os.urandom(9 * MIB), cloud.bucket.blob(named("large"), chunk_size=MIB)
    blob.upload_from_string(content, if_generation_match=0)
    statuses = {
        entry["status"] for entry in cloud.simulator.calls("gcs.objects.create") if entry["method"] == "PUT"
    }

    assert cloud.bucket.blob(blob.name).download_as_bytes() == content
    assert statuses == {308, 200}


def test_stream_of_unknown_length_is_written_and_read_in_chunks(cloud: Any) -> None:
    blob, part = cloud.bucket.blob(named("stream")), os.urandom(700_000)
    with blob.open("wb", chunk_size=MIB) as sink:
        for _ in range(4):
            sink.write(part)
    with cloud.bucket.blob(blob.name).open("rb", chunk_size=MIB) as source:
        content = b"".join(iter(lambda: source.read(500_000), b""))

    assert content == part * 4


def test_upload_says_how_much_is_there_and_takes_a_piece_again(cloud: Any) -> None:
    wire, name = cloud.wire, named("pieces")
    begun = wire.post(f"/upload/storage/v1/b/{cloud.bucket.name}/o?uploadType=resumable", json={"name": name})
    place = begun.headers["location"]
    empty = wire.put(place, headers={"content-range": "bytes */*"})
    first = wire.put(place, headers={"content-range": "bytes 0-3/8"}, content=b"abcd")
    known = wire.put(place, headers={"content-range": "bytes */8"})
    gap = wire.put(place, headers={"content-range": "bytes 6-7/8"}, content=b"gh")
    last = wire.put(place, headers={"content-range": "bytes 2-7/8"}, content=b"cdefgh")
    again = wire.put(place, headers={"content-range": "bytes 2-7/8"}, content=b"cdefgh")

    assert place.startswith(cloud.simulator.url)
    assert begun.headers["x-guploader-uploadid"] in place
    assert [(reply.status_code, reply.headers.get("range")) for reply in (empty, first, known)] == [
        (308, None),
        (308, "bytes=0-3"),
        (308, "bytes=0-3"),
    ]
    assert (gap.status_code, last.status_code) == (400, 200)
    assert again.json() == last.json()
    assert cloud.bucket.blob(name).download_as_bytes() == b"abcdefgh"


def test_upload_in_pieces_is_held_to_its_precondition_at_both_ends(cloud: Any) -> None:
    path = f"/upload/storage/v1/b/{cloud.bucket.name}/o?uploadType=resumable&ifGenerationMatch=0"
    name = named("raced")
    place = cloud.wire.post(path, json={"name": name}).headers["location"]
    cloud.bucket.blob(name).upload_from_string("winner")
    late = cloud.wire.put(place, headers={"content-range": "bytes 0-4/5"}, content=b"loser")

    assert late.status_code == 412
    assert cloud.wire.post(path, json={"name": name}).status_code == 412
    assert cloud.bucket.blob(name).download_as_bytes() == b"winner"


def test_objects_and_uploads_under_way_outlive_a_restart(
    tmp_path: Path, credentials: Any, google_cloud: Any
) -> None:
    config = SimulatorConfig(data_dir=tmp_path, speed=0, buckets={"demo-bkt": "us-central1"})
    path = "/upload/storage/v1/b/demo-bkt/o?uploadType=resumable"
    with running_simulator(config) as first:
        cloud = google_cloud(first, credentials)
        cloud.bucket.blob("kept").upload_from_string("kept")
        begun = cloud.wire.post(path, json={"name": "late"}).headers["x-guploader-uploadid"]
        place = f"{path}&upload_id={begun}"
        cloud.wire.put(place, headers={"content-range": "bytes 0-3/8"}, content=b"abcd")
        first.kill()
    with running_simulator(config) as second:
        cloud = google_cloud(second, credentials)
        known = cloud.wire.put(place, headers={"content-range": "bytes */8"})
        cloud.wire.put(place, headers={"content-range": "bytes 4-7/8"}, content=b"efgh")
        content = {name: cloud.bucket.blob(name).download_as_bytes() for name in ("kept", "late")}

    assert known.headers["range"] == "bytes=0-3"
    assert content == {"kept": b"kept", "late": b"abcdefgh"}


def test_object_whose_checksum_differs_is_not_stored(cloud: Any) -> None:
    blob = cloud.bucket.blob(named("spoiled"))
    blob.crc32c = "AAAAAA=="
    with pytest.raises(exceptions.BadRequest, match="doesn't match"):
        blob.upload_from_string("x", checksum=None)

    assert not blob.exists()


def test_upload_whose_answer_is_lost_is_found_by_the_retry_of_the_sdk(cloud: Any) -> None:
    blob = cloud.bucket.blob(named("lost"))
    cloud.simulator.arm({"call": "gcs.objects.create", "kind": "drop_after"})
    with pytest.raises(exceptions.PreconditionFailed):
        blob.upload_from_string("x", if_generation_match=0)

    assert blob.download_as_bytes() == b"x"


def test_large_upload_needs_little_memory(cloud: Any) -> None:
    server, blob = psutil.Process(cloud.simulator.pid), cloud.bucket.blob(named("memory"))
    before = server.memory_info().rss
    with blob.open("wb", chunk_size=8 * MIB) as sink:
        for _ in range(12):
            sink.write(bytes(8 * MIB))
    grown = server.memory_info().rss - before

    assert cloud.bucket.get_blob(blob.name).size == 96 * MIB
    assert grown < 48 * MIB
