"""What the Gemini API refuses when a batch is created, which Vertex would tell later."""

import json
from pathlib import Path
from typing import Any

import pytest
from google.genai import errors

from batchline_simulator import SimulatorConfig, running_simulator


def arm(gemini: Any, kind: str, **settings: Any) -> None:
    gemini.simulator.arm({"call": "gemini.batches.create", "kind": kind, **settings})


def accepted(gemini: Any) -> int:
    return sum(batch["provider"] == "gemini" for batch in gemini.simulator.batches())


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b'{"key": "a", "request": \n', id="no json"),
        pytest.param(b'["a"]\n', id="no object"),
        pytest.param(b'{"key": "a"}\n', id="no request"),
        pytest.param(b'{"key": "a", "request": {"prompt": "x"}}\n', id="no contents"),
        pytest.param(b"\n", id="blank"),
    ],
)
def test_malformed_row_refuses_the_call_and_leaves_no_batch(gemini: Any, content: bytes) -> None:
    good, before = json.dumps(gemini.row("good")).encode() + b"\n", accepted(gemini)
    with pytest.raises(errors.ClientError) as caught:
        gemini.create(good + content)

    assert (caught.value.code, accepted(gemini)) == (400, before)


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"type": "OBJECT", "additionalProperties": False}, "'generation_config.response_schema'"),
        (
            {"type": "ARRAY", "items": {"type": "OBJECT", "properties": {"a": {"const": 1}}}},
            "'generation_config.response_schema.items.properties[0].value'",
        ),
    ],
)
def test_keyword_that_a_response_schema_cannot_have_refuses_the_call(
    gemini: Any, schema: Any, place: str
) -> None:
    row = gemini.row("r")
    row["request"]["generationConfig"] = {"responseMimeType": "application/json", "responseSchema": schema}
    with pytest.raises(errors.ClientError, match="Unknown name") as caught:
        gemini.create([row])

    assert place in str(caught.value.message)


def test_missing_input_refuses_the_call(gemini: Any) -> None:
    with pytest.raises(errors.ClientError) as caught:
        gemini.genai.batches.create(model="gemini-2.5-flash", src="files/none")
    arm(gemini, "cannot_find_file")
    with pytest.raises(errors.ClientError) as there:
        gemini.create([gemini.row("r")])

    assert (caught.value.code, there.value.code) == (403, 403)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("gemini-2.5-flash-lite", "Please update your code to use models/gemini-3.5-flash-lite"),
        ("invalid-model-xyz", "models/invalid-model-xyz is not found"),
    ],
)
def test_model_that_is_not_offered_is_not_found(gemini: Any, model: str, words: str) -> None:
    with pytest.raises(errors.ClientError, match=words) as caught:
        gemini.create([gemini.row("r")], model=model)

    assert caught.value.code == 404


def test_tokens_that_do_not_fit_are_refused_until_there_is_room(gemini: Any) -> None:
    rows = [gemini.row("r", "word " * 60)]
    arm(gemini, "stuck")
    first = gemini.create(rows, model="gemini-limited")
    with pytest.raises(errors.ClientError) as caught:
        gemini.create(rows, model="gemini-limited")
    gemini.genai.batches.cancel(name=first.name)
    gemini.ended(first)

    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
    assert gemini.run(rows, model="gemini-limited")["done"] is True


def test_only_so_many_batches_run_at_once(tmp_path: Path, gemini: Any) -> None:
    config = SimulatorConfig(data_dir=tmp_path, speed=0, gemini_max_batches=1)
    with running_simulator(config) as simulator:
        other = type(gemini)(simulator, gemini.wire, gemini.folder)
        arm(other, "stuck")
        other.create([other.row("r")])
        with pytest.raises(errors.ClientError) as caught:
            other.create([other.row("r")])
        other.genai.close()

    assert caught.value.status == "RESOURCE_EXHAUSTED"


def test_inlined_requests_have_a_limit(gemini: Any) -> None:
    text = "x" * 21_000_000
    with pytest.raises(errors.ClientError, match="payload size exceeds the limit"):
        gemini.genai.batches.create(model="gemini-2.5-flash", src=[{"contents": text}])


@pytest.mark.parametrize(
    ("call", "use"),
    [
        ("gemini.files.create", lambda g, _: g.upload([g.row("r")])),
        ("gemini.files.retrieve", lambda g, _: g.genai.files.get(name="files/none")),
        ("gemini.files.list", lambda g, _: list(g.genai.files.list())),
        ("gemini.files.content", lambda g, _: g.genai.files.download(file="files/none")),
        ("gemini.files.delete", lambda g, _: g.genai.files.delete(name="files/none")),
        ("gemini.batches.create", lambda g, file: g.genai.batches.create(model="m", src=file)),
        ("gemini.batches.retrieve", lambda g, _: g.genai.batches.get(name="batches/none")),
        ("gemini.batches.list", lambda g, _: list(g.genai.batches.list())),
        ("gemini.batches.cancel", lambda g, _: g.genai.batches.cancel(name="batches/none")),
        ("gemini.batches.delete", lambda g, _: g.genai.batches.delete(name="batches/none")),
    ],
)
def test_quota_is_refused_with_objects_in_the_details(gemini: Any, call: str, use: Any) -> None:
    file = gemini.upload([gemini.row("r")]).name
    gemini.simulator.arm({"call": call, "kind": "quota"})
    with pytest.raises(errors.ClientError) as caught:
        use(gemini, file)

    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
    assert caught.value.details["error"]["details"][0]["links"]
