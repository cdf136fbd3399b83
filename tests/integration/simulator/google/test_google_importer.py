"""What the importer takes: all rows of a job must fit one table."""

from typing import Any

import pytest

from google_payloads import SCHEMA, request, structured
from recordings import recorded


def nested(levels: int) -> dict[str, Any]:
    """Make a request whose objects lie `levels` deep, itself included."""
    inner: dict[str, Any] = {"leaf": 1}
    for _ in range(levels - 2):
        inner = {"deeper": inner}
    return request(labels=inner)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        pytest.param(
            [{"request": request(), "metadata": {"id": "a"}}], 'column or property "metadata"', id="object"
        ),
        pytest.param([{"request": request(), "tags": ["a"]}], 'column or property "tags"', id="array"),
        pytest.param([{"request": request(tools=[{"google_search": {}}])}], "empty struct", id="empty"),
        pytest.param(
            [{"request": structured({"$ref": "#/$defs/X", "$defs": {"X": {"type": "STRING"}}})}],
            "$ref",
            id="ref",
        ),
        pytest.param(
            [{"request": structured({"type": "OBJECT", "properties": {"first name": {"type": "STRING"}}})}],
            "first name",
            id="space",
        ),
        pytest.param([{"request": nested(16)}], "at least 16", id="depth"),
        pytest.param(
            [{"request": structured({"type": "STRING", "enum": None})}], "must not be null", id="null"
        ),
        pytest.param(
            [
                {"request": structured({"type": "STRING"})},
                {"request": structured({"type": ["STRING", "NULL"]})},
            ],
            "STRING in one row and REPEATED in another",
            id="types",
        ),
        pytest.param(
            [{"id": "a", "request": request()}, {"id": 1, "request": request()}],
            "STRING in one row and INTEGER",
            id="column types",
        ),
        pytest.param(
            [{"request": structured({"type": "STRING"})}, {"request": structured({"type": "INTEGER"})}],
            "more than one response schema",
            id="schemas",
        ),
        pytest.param([{"custom_id": "a"}], 'no object "request"', id="no request"),
        pytest.param([["a"]], 'no object "request"', id="no object"),
    ],
)
def test_rows_that_do_not_fit_one_table_fail_the_whole_job(cloud: Any, rows: Any, words: str) -> None:
    job = cloud.run([{"custom_id": "fine", "request": request()}, *rows] if len(rows) == 1 else rows)

    assert (job["state"], job["error"]["code"]) == ("JOB_STATE_FAILED", 3)
    assert words in job["error"]["message"]
    assert "outputInfo" not in job


def test_file_that_is_no_jsonl_fails_the_job(cloud: Any) -> None:
    job = cloud.ended(cloud.create_from(cloud.put(b'{"request": \n')))

    assert "line 1 is no valid JSON" in job["error"]["message"]


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([{"request": nested(15)}], id="depth"),
        pytest.param(
            [{"score": 1, "request": request()}, {"score": 1.5, "request": request()}], id="numbers"
        ),
        pytest.param([{"request": structured(SCHEMA)}, {"request": request()}], id="schema of some"),
        pytest.param([{"request": request(safetySettings=[])}], id="empty list"),
        pytest.param(
            [{"request": request(tools=[{"googleSearch": {"timeRangeFilter": None}}])}], id="null workaround"
        ),
    ],
)
def test_rows_that_fit_one_table_are_run(cloud: Any, rows: Any) -> None:
    assert cloud.run(rows)["state"] == "JOB_STATE_SUCCEEDED"


def test_recorded_rows_fare_as_they_did(cloud: Any) -> None:
    metadata, empty, no_role = recorded("google_vertex_input_rows_REJECTED.jsonl")
    job = cloud.run([no_role])

    assert cloud.run(recorded("google_vertex_input_rows_ok.jsonl"))["completionStats"] == {
        "successfulCount": "1"
    }
    assert (
        cloud.run([metadata])["error"]
        == recorded("google_vertex_job_failed_import_metadata_column.json")["error"]
    )
    assert cloud.run([empty])["state"] == "JOB_STATE_FAILED"
    assert (job["state"], job["completionStats"]) == ("JOB_STATE_SUCCEEDED", {"failedCount": "1"})
