"""Embeddings in an OpenAI result line are answers like any other."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from batchline_shared.dialects.openai_results import answer_text, classify
from batchline_shared.outcomes import ErrorType
from recordings import recorded
from result_lines import Line, answered, embedded


def kind(line: Any, *, structured: bool = False) -> ErrorType | None:
    return classify(line, structured=structured).error_type


def test_recorded_embeddings_are_answers_whose_text_is_the_vector() -> None:
    for line in recorded("openai_output_embeddings_3lines.jsonl"):
        [entry] = line["response"]["body"]["data"]
        tokens = line["response"]["body"]["usage"]["prompt_tokens"]

        assert classify(line, structured=True)[:6] == (None, "", tokens, 0, 0, 0)
        assert orjson.loads(answer_text(line) or "") == entry["embedding"]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        pytest.param(embedded({"index": 0, "embedding": [0.25, -1]}), "[0.25,-1]", id="one"),
        pytest.param(embedded({"embedding": [0.25]}), "[0.25]", id="one without an index"),
        pytest.param(
            embedded({"index": 1, "embedding": [2.5]}, {"index": 0, "embedding": [1.5]}),
            "[[1.5],[2.5]]",
            id="several, in the order of the inputs",
        ),
        pytest.param(embedded({"index": 0, "embedding": "AAAAPwAAgL8="}), "[0.5,-1.0]", id="base64"),
    ],
)
@pytest.mark.parametrize("structured", [True, False])
def test_an_embedding_s_text_is_its_vector(line: Line, text: str, *, structured: bool) -> None:
    assert kind(line, structured=structured) is None
    assert answer_text(line, structured=structured) == text


@pytest.mark.parametrize(
    "embedding",
    [None, [], [None], [0.5, None], ["0.5"], [True], {}, [[0.5]], "", "AAAA", "no base64", "AADAfw=="],
    ids=repr,
)
def test_what_is_no_vector_of_numbers_is_no_embedding(embedding: Any) -> None:
    line = embedded({"index": 0, "embedding": [0.5]}, {"index": 1, "embedding": embedding})

    assert kind(line) is ErrorType.INVALID_OUTPUT
    assert answer_text(line) is None


@pytest.mark.parametrize("data", [None, [], {}, "x", [None]], ids=repr)
def test_a_list_without_embeddings_is_no_answer(data: Any) -> None:
    line = answered({"object": "list", "data": data})

    assert kind(line) is ErrorType.INVALID_OUTPUT
    assert answer_text(line) is None
