"""`/v1/embeddings` in batches, read with the official SDK's own types."""

import base64
import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai.types import CreateEmbeddingResponse

from batchline_simulator import SimulatorConfig, running_simulator
from recordings import recorded


def body(bench: Any, row: dict[str, Any]) -> dict[str, Any]:
    (line,) = bench.lines(bench.run([row]).output_file_id)
    return dict(line["response"]["body"])


def vectors(bench: Any, row: dict[str, Any]) -> list[list[float]]:
    """Run one request and read its vectors, which must be valid for the SDK's type."""
    return [item.embedding for item in CreateEmbeddingResponse.model_validate(body(bench, row)).data]


def test_reply_has_the_keys_of_the_recorded_one(bench: Any) -> None:
    ours = body(bench, bench.embedding_row("r"))
    theirs = recorded("openai_output_embeddings_3lines.jsonl")[0]["response"]["body"]

    assert list(ours) == list(theirs)
    assert list(ours["data"][0]) == list(theirs["data"][0])
    assert list(ours["usage"]) == list(theirs["usage"])


@pytest.mark.parametrize(
    ("model", "more", "length"),
    [
        ("text-embedding-3-small", {}, 1536),
        ("text-embedding-3-large", {}, 3072),
        ("text-embedding-3-small", {"dimensions": 8}, 8),
    ],
    ids=["small", "large", "shortened"],
)
def test_vector_has_the_length_that_was_asked_and_norm_1(
    bench: Any, model: str, more: dict[str, Any], length: int
) -> None:
    (vector,) = vectors(bench, bench.embedding_row("r", model=model, **more))

    assert len(vector) == length
    assert math.hypot(*vector) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "count"),
    [("one", 1), (["one", "two", "one"], 3), ([1, 2, 3], 1), ([[1, 2], [3]], 2)],
    ids=["text", "texts", "tokens", "lists of tokens"],
)
def test_every_input_gets_a_vector_in_its_place(bench: Any, text: Any, count: int) -> None:
    data = body(bench, bench.embedding_row("r", text))["data"]

    assert [item["index"] for item in data] == list(range(count))


def test_equal_texts_have_equal_vectors_and_others_do_not(bench: Any) -> None:
    one, two, again = vectors(bench, bench.embedding_row("r", ["one", "two", "one"]))

    assert one == again
    assert one != two


def test_shorter_vector_is_the_beginning_of_the_longer_scaled(bench: Any) -> None:
    (long,) = vectors(bench, bench.embedding_row("r", dimensions=64))
    (short,) = vectors(bench, bench.embedding_row("r", dimensions=8))

    norm = math.hypot(*long[:8])
    assert short == pytest.approx([number / norm for number in long[:8]], abs=1e-6)


def test_base64_holds_the_same_numbers(bench: Any) -> None:
    (plain,) = vectors(bench, bench.embedding_row("r", dimensions=8))
    packed = body(bench, bench.embedding_row("r", dimensions=8, encoding_format="base64"))

    numbers = struct.unpack("<8f", base64.b64decode(packed["data"][0]["embedding"]))
    assert numbers == pytest.approx(plain, abs=1e-6)


def test_tokens_of_all_inputs_are_counted(bench: Any) -> None:
    batch = bench.run([bench.embedding_row("a", ["12345678", [1, 2, 3]]), bench.embedding_row("b", "1234")])

    assert (batch.usage.input_tokens, batch.usage.output_tokens) == (6, 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"input": ""}, "'$.input' is invalid."),
        ({"input": []}, "'$.input' is invalid."),
        ({"input": ["one", ""]}, "'$.input' is invalid."),
        ({"input": ["x"] * 2049}, "maximum input array length is 2048"),
        ({"input": "x" * 40_000}, "maximum input length is 8192 tokens"),
        ({"input": ["x" * 30_000] * 41}, "maximum is 300000 tokens per request"),
        ({"dimensions": 0}, "Invalid 'dimensions'"),
        ({"dimensions": 5000}, "Invalid 'dimensions'"),
        ({"dimensions": 8, "model": "text-embedding-ada-002"}, "does not support specifying dimensions"),
        ({"encoding_format": "hex"}, "Supported values are: 'float', and 'base64'."),
    ],
    ids=[
        "empty",
        "none",
        "empty among others",
        "too many",
        "too long",
        "too long together",
        "no dimensions",
        "too many dimensions",
        "dimensions of a model without",
        "unknown encoding",
    ],
)
def test_bad_request_fails_its_own_line(bench: Any, change: dict[str, Any], words: str) -> None:
    (line,) = bench.lines(bench.run([bench.embedding_row("r", **change)]).error_file_id)

    assert line["response"]["status_code"] == 400
    assert words in line["response"]["body"]["error"]["message"]


def test_request_without_input_fails_the_batch(bench: Any) -> None:
    batch = bench.run([bench.embedding_row("r", None)])

    assert [found.param for found in batch.errors.data] == ["body.input"]


def test_inputs_of_all_requests_are_limited_together(tmp_path: Path, open_bench: Callable[..., Any]) -> None:
    with running_simulator(SimulatorConfig(data_dir=tmp_path, speed=0, max_inputs=3)) as simulator:
        bench = open_bench(simulator)
        fits = bench.run([bench.embedding_row("a", ["x", "y"]), bench.embedding_row("b", "x")])
        over = bench.run([bench.embedding_row("a", ["x", "y"]), bench.embedding_row("b", ["x", "y"])])

    assert fits.status == "completed"
    assert [found.code for found in over.errors.data] == ["too_many_tasks"]
