"""Batch files for Google: one job is one table, so its lines have to agree on the schema."""

from __future__ import annotations

import io
from typing import Any

import orjson
import pytest

from batchline.files import BatchFile
from batchline_shared.accounts import Account
from batchline_shared.dialects.gemini import GeminiLines
from batchline_shared.dialects.google import VertexLines
from batchline_shared.errors import InvalidBatchFileError

MODEL = "gemini-2.5-flash"
TEXT, NUMBER = {"type": "STRING"}, {"type": "NUMBER"}


def line(name: str, schema: dict[str, Any] | None, **config: Any) -> bytes:
    held = config if schema is None else {**config, "responseSchema": schema}
    request = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "generationConfig": held}
    return orjson.dumps({name: "a", "request": request}) + b"\n"


def requests(file: bytes, speech: Any) -> list[bytes]:
    return [request.row for request in BatchFile(io.BytesIO(file), speech, MODEL).requests()]


@pytest.mark.parametrize("other", [NUMBER, None], ids=["another", "none"])
def test_a_line_for_vertex_with_another_schema_is_refused_by_its_number(other: dict[str, Any] | None) -> None:
    file = line("custom_id", TEXT) * 2 + line("custom_id", other, seed=1)

    with pytest.raises(InvalidBatchFileError, match="line 3: its response schema") as refused:
        requests(file, VertexLines(Account()))

    assert refused.value.line == 3


def test_a_line_for_gemini_may_have_a_schema_of_its_own() -> None:
    file = line("key", TEXT) + line("key", NUMBER)

    _, second = requests(file, GeminiLines(Account()))

    assert orjson.loads(second)["generationConfig"] == {"responseSchema": NUMBER}


def test_a_line_without_a_parameter_of_the_first_one_goes_without_it() -> None:
    speech = VertexLines(Account())
    file = BatchFile(
        io.BytesIO(line("custom_id", TEXT, seed=1) + line("custom_id", TEXT, topP=1)), speech, MODEL
    )

    _, second = file.requests()

    sent = orjson.loads(speech.object_line("k", file.template, second.row))
    assert sent["request"]["generationConfig"] == {"responseSchema": TEXT, "topP": 1.0}
