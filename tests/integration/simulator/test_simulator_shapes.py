"""Every object the simulator sends, key by key against what the provider sent."""

from collections.abc import Callable
from typing import Any

import pytest
from openai.types import Batch, FileObject
from openai.types.chat import ChatCompletion

from batchline_simulator import SimulatorProcess
from recordings import recorded

NEWER = {"model", "usage", "expires_at"}
"""Keys that the provider added after the older recordings were made."""


def same_shape(ours: Any, theirs: Any, path: str = "$") -> None:
    """Assert that both have the same keys, nulls and types, in every depth."""
    if isinstance(theirs, dict):
        assert isinstance(ours, dict), path
        assert set(theirs) <= set(ours), f"{path}: {set(theirs) - set(ours)} missing"
        assert set(ours) - set(theirs) <= NEWER, f"{path}: {set(ours) - set(theirs)} made up"
        for key, value in theirs.items():
            if key != "metadata":
                same_shape(ours[key], value, f"{path}.{key}")
    else:
        assert type(ours) is type(theirs), path


def raw(bench: Any, path: str) -> Any:
    return bench.client.get(path, cast_to=object)


def test_uploaded_file(bench: Any) -> None:
    file_id = bench.upload([bench.row("r")])

    same_shape(raw(bench, f"/files/{file_id}"), recorded("openai_file_retrieve_expires_30d.json"))


def test_completed_batch(bench: Any) -> None:
    batch = bench.run([bench.row("r")])

    same_shape(raw(bench, f"/batches/{batch.id}"), recorded("openai_batch_completed.json"))


def test_finalizing_batch(bench: Any, simulator: SimulatorProcess) -> None:
    simulator.arm({"call": "batches.create", "kind": "stuck"})
    batch = bench.wait(bench.create([bench.row("r")]), "finalizing")

    same_shape(raw(bench, f"/batches/{batch.id}"), recorded("openai_batch_finalizing.json"))


def test_batch_in_progress(bench: Any, simulator: SimulatorProcess) -> None:
    simulator.arm({"call": "batches.create", "kind": "stuck", "value": "in_progress"})
    batch = bench.wait(bench.create([bench.row("r")]), "in_progress")

    same_shape(raw(bench, f"/batches/{batch.id}"), recorded("openai_batch_in_progress_1of3.json"))


def test_validating_and_cancelling_batch(bench: Any, simulator: SimulatorProcess) -> None:
    simulator.arm({"call": "batches.create", "kind": "stuck", "value": "validating"})
    batch = bench.create([bench.row("r")])

    same_shape(raw(bench, f"/batches/{batch.id}"), recorded("openai_batch_validating_create.json"))
    cancelling = bench.client.batches.cancel(batch.id).to_dict()
    same_shape(cancelling, recorded("openai_batch_cancelling_from_validating.json"))


def test_batch_whose_requests_all_failed(bench: Any) -> None:
    batch = bench.run([bench.row("r", max_tokens=0)])
    theirs = recorded("openai_batch_completed_all_failed_no_output.json")

    same_shape(raw(bench, f"/batches/{batch.id}"), theirs)


def test_failed_batch(bench: Any) -> None:
    batch = bench.wait(bench.create_from("file-unknown"))
    ours, theirs = raw(bench, f"/batches/{batch.id}"), recorded("openai_batch_failed_file_not_found.json")

    same_shape(ours, theirs)
    assert list(ours["errors"]["data"][0]) == list(theirs["errors"]["data"][0])


def test_output_line_in_keys_order_and_spacing(bench: Any) -> None:
    batch = bench.run([bench.row("r", "é")])
    content = bench.client.files.content(batch.output_file_id).content
    (ours,), theirs = bench.lines(batch.output_file_id), recorded("openai_output_chat_3lines.jsonl")[0]

    same_shape(ours, theirs)
    assert [list(ours), list(ours["response"])] == [list(theirs), list(theirs["response"])]
    assert list(ours["response"]["body"]) == list(theirs["response"]["body"])
    assert content.startswith(b'{"id": "batch_req_')
    assert content.endswith(b'"error": null}\n')
    assert content.isascii()


@pytest.mark.parametrize(
    ("marker", "name"),
    [
        ("server_error", "openai_error_line_500_server_error.jsonl"),
        ("insufficient_quota", "openai_error_line_429_insufficient_quota.jsonl"),
        ("bad_request", "openai_error_line_400_integer_below_min_value.jsonl"),
    ],
)
def test_error_line(bench: Any, marker: str, name: str) -> None:
    batch = bench.run([bench.row("r", f"[[fault:{marker}]]")])
    (ours,), (theirs,) = bench.lines(batch.error_file_id), recorded(name)

    same_shape(ours, theirs)
    assert ours["response"]["status_code"] == theirs["response"]["status_code"]


def test_expired_line(bench: Any, simulator: SimulatorProcess) -> None:
    simulator.arm({"call": "batches.create", "kind": "expire", "fraction": 1})
    (ours,) = bench.lines(bench.run([bench.row("r")]).error_file_id)

    theirs = recorded("openai_error_line_batch_expired.jsonl")[0]
    same_shape(ours, theirs)
    assert ours["error"] == theirs["error"]


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("openai_http_404_no_batch.json", lambda c, _: c.batches.retrieve("batch-nonexistent-xyz")),
        ("openai_http_409_cancel_completed.json", lambda c, done: c.batches.cancel(done.id)),
        (
            "openai_http_400_invalid_file_format.json",
            lambda c, _: c.files.create(file=("a.txt", b"{}"), purpose="batch"),
        ),
    ],
)
def test_refused_call(bench: Any, name: str, call: Callable[..., Any]) -> None:
    done = bench.run([bench.row("r")])
    theirs = recorded(name)
    with pytest.raises(Exception, match="Error code") as caught:
        call(bench.client, done)

    assert caught.value.response.json() == theirs["body"]
    assert caught.value.status_code == theirs["status"]


def test_reply_headers_and_download_name(bench: Any) -> None:
    batch = bench.run([bench.row("r")])
    headers = bench.client.files.with_raw_response.content(batch.output_file_id).headers

    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"] == f'attachment; filename="{batch.id}_output.jsonl"'
    assert headers["x-request-id"].startswith("req_")
    assert headers["openai-version"] == "2020-10-01"
    assert headers["openai-processing-ms"].isdecimal()


def test_every_object_is_valid_for_the_sdks_own_type(bench: Any) -> None:
    batch = bench.run([bench.row("r")])
    (line,) = bench.lines(batch.output_file_id)

    assert Batch.model_validate(raw(bench, f"/batches/{batch.id}")).id == batch.id
    assert FileObject.model_validate(raw(bench, f"/files/{batch.output_file_id}")).purpose == "batch_output"
    assert ChatCompletion.model_validate(line["response"]["body"]).choices[0].finish_reason == "stop"
