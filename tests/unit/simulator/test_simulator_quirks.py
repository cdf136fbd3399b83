"""Each quirk changes what it names and nothing else."""

import json
from typing import Any

import pytest
from starlette.responses import JSONResponse

from batchline_simulator.quirks import ALL_QUIRKS, Quirk, Quirks

BATCH = {
    "id": "batch_1",
    "object": "batch",
    "status": "in_progress",
    "output_file_id": "file-1",
    "error_file_id": None,
    "request_counts": {"total": 2, "completed": 1, "failed": 0},
}
LINE = {"id": "batch_req_1", "response": {"status_code": 200, "body": {"a": 1}}, "error": None}
PAGE = {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


def changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return the keys that differ, with their new values; ... stands for a key that is gone."""
    return {key: after.get(key, ...) for key in before | after if after.get(key, ...) != before.get(key, ...)}


def test_without_a_quirk_nothing_changes() -> None:
    plain = Quirks()

    assert (plain.batch(BATCH), plain.line(LINE), plain.page(PAGE)) == (BATCH, LINE, PAGE)
    assert plain.id("file-1") == "file-1"


@pytest.mark.parametrize(
    ("quirk", "wanted"),
    [
        ("null-counts", {"request_counts": {"total": None, "completed": None, "failed": None}}),
        ("no-counts", {"request_counts": None}),
        ("no-object", {"object": ...}),
        ("odd-statuses", {"status": "running"}),
        ("uppercase-statuses", {"status": "IN_PROGRESS"}),
        ("links", {"output_file_id": "/v1/files/file-1/content"}),
        ("extra-keys", {"x_backend": {"engine": "compatible", "shard": 0}, "priority": None}),
    ],
)
def test_batch_under_one_quirk(quirk: Quirk, wanted: dict[str, Any]) -> None:
    assert changed(BATCH, Quirks({quirk}).batch(BATCH)) == wanted


@pytest.mark.parametrize(
    ("quirk", "wanted"),
    [
        ("no-error-key", {"error": ...}),
        ("string-body", {"response": {"status_code": 200, "body": '{"a": 1}'}}),
    ],
)
def test_line_under_one_quirk(quirk: Quirk, wanted: dict[str, Any]) -> None:
    assert changed(LINE, Quirks({quirk}).line(LINE)) == wanted


def test_error_stays_where_there_is_one_and_a_missing_response_stays_missing() -> None:
    line = {"id": "1", "response": None, "error": {"code": "batch_expired"}}

    assert Quirks({"no-error-key", "string-body"}).line(line) == line


def test_list_without_has_more_has_no_cursors_either() -> None:
    assert Quirks({"no-has-more"}).page(PAGE) == {"object": "list", "data": []}


@pytest.mark.parametrize("made", ["file-1", "batch_1", "batch_req_1"])
def test_bare_ids_have_no_prefix(made: str) -> None:
    assert Quirks({"bare-ids"}).id(made) == "1"


@pytest.mark.parametrize("status", [400, 404, 409])
@pytest.mark.parametrize(
    ("quirk", "wanted"),
    [
        ("mistakes-404", (404, '{"detail":"No."}')),
        ("mistakes-422", (422, '{"detail":[{"type":"value_error","loc":["body"],"msg":"No."}]}')),
        ("mistakes-500", (500, "Internal Server Error")),
    ],
)
def test_every_mistake_gets_the_one_status(quirk: Quirk, wanted: tuple[int, str], status: int) -> None:
    reply = Quirks({quirk}).mistake(JSONResponse({"error": {"message": "No."}}, status))

    assert (reply.status_code, bytes(reply.body).decode()) == wanted


@pytest.mark.parametrize("status", [401, 413, 429])
def test_refusals_that_are_no_mistake_stay(status: int) -> None:
    refusal = JSONResponse({"error": {"message": "No."}}, status)

    assert Quirks({"mistakes-500"}).mistake(refusal) is refusal


def test_all_quirks_at_once_still_make_json() -> None:
    everything = Quirks(ALL_QUIRKS)

    assert json.loads(json.dumps([everything.batch(BATCH), everything.line(LINE), everything.file({})]))
