"""Cloud Storage, as its client library meets it."""

import time
from typing import Any

import pytest
from google.api_core import exceptions


def named(kind: str) -> str:
    return f"{kind}/{time.time_ns()}"


def test_bucket_shows_where_it_lies_whatever_its_creator_wrote(cloud: Any) -> None:
    name = f"made-{time.time_ns()}"
    cloud.storage.create_bucket(name, location="europe-west1")
    found = cloud.storage.get_bucket(name)

    assert (found.location, found.location_type) == ("EUROPE-WEST1", "region")


def test_bucket_without_a_location_spans_a_continent(cloud: Any) -> None:
    bucket = cloud.storage.create_bucket(f"made-{time.time_ns()}")

    assert (bucket.location, bucket.location_type) == ("US", "multi-region")


def test_bucket_that_is_there_already_cannot_be_created(cloud: Any) -> None:
    with pytest.raises(exceptions.Conflict) as caught:
        cloud.storage.create_bucket(cloud.bucket.name)

    assert caught.value.errors[0]["reason"] == "conflict"


def test_unknown_bucket_is_not_found(cloud: Any) -> None:
    assert cloud.storage.lookup_bucket("no-such-bucket") is None
    with pytest.raises(exceptions.NotFound, match="bucket does not exist"):
        cloud.storage.bucket("no-such-bucket").blob("name").upload_from_string("x", retry=None)


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda c: c.storage.get_bucket("denied-bkt"), id="bucket"),
        pytest.param(lambda c: list(c.storage.list_blobs("denied-bkt")), id="list"),
        pytest.param(
            lambda c: c.storage.bucket("denied-bkt").blob("n").upload_from_string("x", retry=None),
            id="upload",
        ),
        pytest.param(lambda c: c.storage.bucket("denied-bkt").blob("n").download_as_bytes(), id="download"),
    ],
)
def test_denied_bucket_refuses_every_call(cloud: Any, call: Any) -> None:
    with pytest.raises(exceptions.Forbidden, match="Permission 'storage"):
        call(cloud)


def test_object_is_written_once_where_generation_0_is_expected(cloud: Any) -> None:
    blob = cloud.bucket.blob(named("once"))
    blob.upload_from_string("first", if_generation_match=0)
    with pytest.raises(exceptions.PreconditionFailed):
        cloud.bucket.blob(blob.name).upload_from_string("second", if_generation_match=0)

    assert blob.download_as_bytes() == b"first"


def test_object_is_replaced_where_its_generation_is_the_expected_one(cloud: Any) -> None:
    blob = cloud.bucket.blob(named("twice"))
    blob.upload_from_string("first")
    first = blob.generation
    blob.upload_from_string("second", if_generation_match=first)

    assert blob.generation > first
    assert cloud.bucket.blob(blob.name).download_as_bytes() == b"second"


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda blob: blob.download_as_bytes(if_generation_match=1), id="download"),
        pytest.param(lambda blob: blob.reload(if_generation_match=1), id="get"),
        pytest.param(lambda blob: blob.delete(if_generation_match=1), id="delete"),
    ],
)
def test_precondition_that_does_not_hold_stops_the_call(cloud: Any, call: Any) -> None:
    blob = cloud.bucket.blob(named("held"))
    blob.upload_from_string("x")
    with pytest.raises(exceptions.PreconditionFailed):
        call(blob)

    assert blob.exists()


@pytest.mark.parametrize(
    "name", ["a b c", "100%2F200", "what?#fragment", "grüße/日本", "2026-09-02T20:06:30.166279Z/x", "a//b"]
)
def test_any_name_survives(cloud: Any, name: str) -> None:
    cloud.bucket.blob(name).upload_from_string(name)

    assert cloud.bucket.blob(name).download_as_bytes() == name.encode()
    assert [blob.name for blob in cloud.bucket.list_blobs(prefix=name)] == [name]
    assert cloud.bucket.get_blob(name).download_as_bytes() == name.encode(), "by its mediaLink"


def test_list_folds_at_the_delimiter_and_goes_on_at_the_page_token(cloud: Any) -> None:
    root = named("list")
    for name in ("a", "b/1", "b/2", "b0", "c/1", "d"):
        cloud.bucket.blob(f"{root}/{name}").upload_from_string("x")
    pages = list(cloud.bucket.list_blobs(prefix=f"{root}/", page_size=2).pages)
    folded = cloud.bucket.list_blobs(prefix=f"{root}/", delimiter="/", page_size=2)
    names = [blob.name.removeprefix(f"{root}/") for blob in folded]

    assert [[blob.name[-1] for blob in page] for page in pages] == [["a", "1"], ["2", "0"], ["1", "d"]]
    assert names == ["a", "b0", "d"]
    assert folded.prefixes == {f"{root}/b/", f"{root}/c/"}


def test_list_takes_a_range_of_names(cloud: Any) -> None:
    root = named("range")
    for name in "abcd":
        cloud.bucket.blob(f"{root}/{name}").upload_from_string("x")
    found = cloud.bucket.list_blobs(
        prefix=f"{root}/", start_offset=f"{root}/b", end_offset=f"{root}/d", max_results=5
    )

    assert [blob.name[-1] for blob in found] == ["b", "c"]


def test_range_of_bytes_is_sent_and_one_past_the_end_is_refused(cloud: Any) -> None:
    blob = cloud.bucket.blob(named("bytes"))
    blob.upload_from_string("0123456789")

    assert blob.download_as_bytes(start=2, end=4) == b"234"
    assert blob.download_as_bytes(start=8, end=99) == b"89"
    with pytest.raises(exceptions.RequestRangeNotSatisfiable):
        blob.download_as_bytes(start=10)


def test_download_carries_the_checksums_of_the_whole_object(cloud: Any) -> None:
    blob = cloud.bucket.blob(named("sums"))
    blob.upload_from_string("x")
    reply = cloud.wire.get(f"/storage/v1/b/{cloud.bucket.name}/o/{blob.name.replace('/', '%2F')}?alt=media")

    assert reply.content == b"x"
    assert reply.headers["x-goog-hash"] == f"crc32c={blob.crc32c},md5={blob.md5_hash}"


def test_deleted_object_is_gone(cloud: Any) -> None:
    blob = cloud.bucket.blob(named("gone"))
    blob.upload_from_string("x")
    blob.delete()

    assert not blob.exists()
    with pytest.raises(exceptions.NotFound, match="No such object"):
        blob.delete()


@pytest.mark.parametrize(
    ("call", "use"),
    [
        ("gcs.buckets.get", lambda c, b: c.storage.get_bucket(b.bucket.name, retry=None)),
        ("gcs.objects.create", lambda _, b: b.upload_from_string("x", retry=None)),
        ("gcs.objects.get", lambda _, b: b.reload(retry=None)),
        ("gcs.objects.list", lambda c, _: list(c.bucket.list_blobs(retry=None))),
        ("gcs.objects.content", lambda _, b: b.download_as_bytes(retry=None)),
        ("gcs.objects.delete", lambda _, b: b.delete(retry=None)),
    ],
)
def test_fault_of_one_call_strikes_that_call_once(cloud: Any, call: str, use: Any) -> None:
    blob = cloud.bucket.blob(named("struck"))
    blob.upload_from_string("x")
    cloud.simulator.arm({"call": call, "kind": "unavailable"})
    with pytest.raises(exceptions.ServiceUnavailable):
        use(cloud, blob)

    use(cloud, blob)


def test_download_that_is_cut_short_is_noticed_by_its_length(cloud: Any) -> None:
    blob = cloud.bucket.blob(named("short"))
    blob.upload_from_string("line 1\nline 2\n")
    cloud.simulator.arm({"call": "gcs.objects.content", "kind": "truncated"})
    with pytest.raises(ConnectionError, match="read 11 bytes"):
        blob.download_as_bytes(retry=None)

    assert blob.download_as_bytes() == b"line 1\nline 2\n"


@pytest.mark.parametrize(
    ("kind", "content"),
    [("bom", b"\xef\xbb\xbf1\n2\n"), ("crlf", b"1\r\n2\r\n"), ("blank_line", b"\n1\n\n2\n")],
)
def test_download_is_spelled_otherwise(cloud: Any, kind: str, content: bytes) -> None:
    blob = cloud.bucket.blob(named("spelled"))
    blob.upload_from_string("1\n2\n")
    cloud.simulator.arm({"call": "gcs.objects.content", "kind": kind})

    assert blob.download_as_bytes() == content
