"""What a Vertex job's predictions say of each of its rows."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from batchline_simulator import SimulatorConfig, SimulatorProcess, running_simulator
from google_payloads import SCHEMA, request, structured


def answer(row: dict[str, Any]) -> str:
    parts = row["response"]["candidates"][0]["content"]["parts"]
    return "".join(part.get("text", "") for part in parts)


def test_answer_fits_the_schema_in_googles_own_form(cloud: Any) -> None:
    rows = [{"custom_id": f"r-{n}", "request": structured(SCHEMA)} for n in range(10)]
    found = [json.loads(answer(row)) for row in cloud.predictions(cloud.run(rows))]

    assert len(found) == 10
    for value in found:
        assert set(value) == {"city", "stars", "tags", "note"}
        assert 1 <= value["stars"] <= 5
        assert len(value["tags"]) >= 2
        assert set(value["tags"]) <= {"a", "b"}
        assert value["note"] is None or isinstance(value["note"], str)


@pytest.mark.parametrize(
    "config",
    [
        {"responseMimeType": "application/json", "responseJsonSchema": {"type": "integer"}},
        {"response_mime_type": "application/json", "response_schema": {"type": "INTEGER"}},
    ],
)
def test_schema_is_read_in_each_of_its_spellings(cloud: Any, config: Any) -> None:
    job = cloud.run([{"custom_id": "r", "request": request(generationConfig=config)}])

    assert isinstance(json.loads(answer(cloud.predictions(job)[0])), int)


@pytest.mark.parametrize(
    ("marker", "code"),
    [("bad_request", 400), ("rate_limit", 429), ("insufficient_quota", 429), ("server_error", 500)],
)
def test_failed_row_has_a_status_no_response_and_its_columns(cloud: Any, marker: str, code: int) -> None:
    job = cloud.run([cloud.row("r-1", f"[[fault:{marker}]]", round=3), cloud.row("r-2")])
    (row,) = [row for row in cloud.predictions(job) if row["status"]]
    reason, _, body = row["status"].partition(": ")

    assert (row["custom_id"], row["round"], "response" in row) == ("r-1", 3, False)
    assert json.loads(body)["error"]["code"] == code
    assert reason
    assert job["state"] == "JOB_STATE_SUCCEEDED"
    assert job["completionStats"] == {"successfulCount": "1", "failedCount": "1"}


def test_failed_row_may_have_no_json_in_its_status(cloud: Any) -> None:
    (row,) = cloud.predictions(cloud.run([cloud.row("r", "[[fault:status_zero]]")]))

    assert row["status"]
    assert "{" not in row["status"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (request(contents=[]), "at least one content"),
        ({"contents": [{"role": "tester", "parts": [{"text": "x"}]}]}, "Please use a valid role"),
        (request(generationConfig={"temperature": 9}), "temperature is 9"),
        (structured({"type": "INTEGER", "const": 1}), 'Unknown name "const"'),
        (request(generationConfig={"maxOutputTokens": -1}), "must be positive"),
        (
            request(tools=[{"functionDeclarations": [{"name": "get weather!"}]}]),
            "tools[0].function_declarations[0].name: [FIELD_INVALID] Invalid function name.",
        ),
        (
            request(
                tools=[{"functionDeclarations": [{"name": "f"}]}],
                generationConfig={"responseMimeType": "application/json"},
            ),
            "Function calling with a response mime type: 'application/json' is unsupported",
        ),
    ],
)
def test_request_that_the_model_refuses_fails_alone(cloud: Any, body: Any, words: str) -> None:
    job = cloud.run([{"custom_id": "r-1", "request": body}, cloud.row("r-2")])
    (row,) = [row for row in cloud.predictions(job) if row["status"]]
    error = json.loads(row["status"].removeprefix("Bad Request: "))["error"]

    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert words in error["message"]


def test_blocked_and_cut_answers_lack_what_readers_look_for(cloud: Any) -> None:
    kinds = ["content_filter", "refusal", "length"]
    job = cloud.run([cloud.row(kind, f"[[fault:{kind}]]") for kind in kinds])
    found = {row["custom_id"]: row["response"] for row in cloud.predictions(job)}
    blocked, refused, cut = (found[kind] for kind in kinds)

    assert (blocked["promptFeedback"], "candidates" in blocked) == (
        {"blockReason": "PROHIBITED_CONTENT"},
        False,
    )
    assert refused["candidates"][0]["finishReason"] == "SAFETY"
    assert "content" not in refused["candidates"][0]
    assert cut["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert job["completionStats"] == {"successfulCount": "3"}, "blocked is no failure to Vertex"


def test_thoughts_may_use_up_the_limit_and_leave_no_parts(cloud: Any) -> None:
    body = request(generationConfig={"maxOutputTokens": 5})
    job = cloud.run([{"custom_id": "r", "request": body}], model="gemini-2.5-pro")
    response = cloud.predictions(job)[0]["response"]

    assert response["candidates"][0]["content"] == {"role": "model"}
    assert response["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert response["usageMetadata"]["thoughtsTokenCount"] > 5


def test_request_comes_back_with_nulls_for_what_other_rows_have(cloud: Any) -> None:
    file = {"file_data": {"file_uri": "gs://b/x.png", "mime_type": "image/png"}}
    plain, mixed = cloud.row("a", "x"), cloud.row("b", "y")
    mixed["request"]["contents"][0]["parts"].append(copy.deepcopy(file))
    rows = {row["custom_id"]: row["request"] for row in cloud.predictions(cloud.run([plain, mixed]))}

    assert rows["a"]["contents"][0]["parts"] == [{"text": "x", "file_data": None}]
    assert rows["b"]["contents"][0]["parts"] == [{"text": "y", "file_data": None}, {"text": None, **file}]


def test_lines_go_missing_double_or_astray(cloud: Any) -> None:
    kinds = ["missing_line", "duplicate_line", "foreign_custom_id", "missing_custom_id"]
    rows = cloud.predictions(cloud.run([cloud.row(kind, f"[[fault:{kind}]]") for kind in kinds]))
    ids = sorted(row.get("custom_id", "none") for row in rows)

    assert ids == ["duplicate_line", "duplicate_line", "foreign-foreign_custom_id", "none"]


def test_line_separator_reaches_the_file_unescaped(cloud: Any) -> None:
    job = cloud.run([cloud.row("r", "[[fault:line_separator]]")])
    path = job["outputInfo"]["gcsOutputDirectory"].removeprefix("gs://demo-bkt/")
    content = cloud.bucket.blob(f"{path}/predictions.jsonl").download_as_bytes()

    assert "\u2028".encode() in content
    assert content.count(b"\n") == 1


def test_text_comes_in_several_parts_now_and_then(cloud: Any) -> None:
    rows = cloud.predictions(cloud.run([cloud.row(f"r-{n}") for n in range(200)]))
    counts = {len(row["response"]["candidates"][0]["content"]["parts"]) for row in rows}

    assert counts == {1, 2}


def test_total_of_the_usage_is_missing_now_and_then(cloud: Any) -> None:
    rows = cloud.predictions(cloud.run([cloud.row(f"r-{n}") for n in range(4000)]))
    without = sum("totalTokenCount" not in row["response"]["usageMetadata"] for row in rows)

    assert 0 < without < 200


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A simulator that splits predictions and takes digits for numbers."""
    config = SimulatorConfig(
        data_dir=tmp_path_factory.mktemp("odd"),
        speed=0,
        buckets={"demo-bkt": "us-central1"},
        prediction_shards=3,
        coerce_numeric_strings=True,
    )
    with running_simulator(config) as simulator:
        yield simulator


def test_predictions_are_split_over_several_objects(
    odd: SimulatorProcess, google_cloud: Any, credentials: Any
) -> None:
    cloud = google_cloud(odd, credentials)
    job = cloud.run([cloud.row(f"r-{n}") for n in range(10)])
    names = [name for name in cloud.objects(job) if not name.startswith("incremental")]
    shards = [cloud.predictions(job, name) for name in names]

    assert names == [f"predictions.jsonl-0000{shard}-of-00003" for shard in range(3)]
    assert [len(shard) for shard in shards] == [4, 4, 2]
    assert sorted(row["custom_id"] for shard in shards for row in shard) == sorted(
        f"r-{n}" for n in range(10)
    )


def test_column_of_digits_comes_back_as_a_number(
    odd: SimulatorProcess, google_cloud: Any, credentials: Any
) -> None:
    cloud = google_cloud(odd, credentials)
    job = cloud.run([cloud.row("000017"), cloud.row("r-000018")])
    found = [row["custom_id"] for name in cloud.objects(job) for row in cloud.predictions(job, name)]

    assert {17, "r-000018"} == set(found)


def test_shards_can_be_named_otherwise(tmp_path: Path, google_cloud: Any, credentials: Any) -> None:
    config = SimulatorConfig(
        data_dir=tmp_path,
        speed=0,
        buckets={"demo-bkt": "us-central1"},
        prediction_shards=2,
        prediction_shard_name="predictions-{shard:05}-of-{shards:05}.jsonl",
    )
    with running_simulator(config) as simulator:
        cloud = google_cloud(simulator, credentials)
        names = cloud.objects(cloud.run([cloud.row("a"), cloud.row("b")]))

    assert names[1:] == ["predictions-00000-of-00002.jsonl", "predictions-00001-of-00002.jsonl"]
