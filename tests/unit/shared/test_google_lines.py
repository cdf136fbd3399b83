"""Lines of Vertex AI and of the Gemini API: what they hold, and what is refused before it is enqueued."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from batchline_shared.accounts import Account
from batchline_shared.dialects.gemini import GeminiLines
from batchline_shared.dialects.google import VertexLines
from batchline_shared.errors import InvalidInputError, InvalidRequestError

if TYPE_CHECKING:
    from batchline_shared.dialects.google_lines import GoogleLines

MODEL = "gemini-2.5-flash"
TALK = [{"role": "user", "content": "hi"}]
VERTEX, GEMINI = VertexLines(Account()), GeminiLines(Account())

both = pytest.mark.parametrize("speech", [VERTEX, GEMINI], ids=["google", "gemini"])


class City(BaseModel):
    name: str


def template(speech: GoogleLines, model: type[BaseModel] | None = None, **options: Any) -> dict[str, Any]:
    return speech.template(MODEL, model, max_tokens=None, temperature=None, options=options)


def request_of(speech: GoogleLines, messages: Any, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """The request that a line holds, whichever way it is written."""
    body = body or {}
    row = speech.encoder(body)(messages, 0)
    head, middle, tail = speech.line_ends(orjson.dumps(body))
    line = orjson.loads(head + b"bl-s-0" + middle + row + tail)
    assert line.pop(speech.id_field) == "bl-s-0"
    request: dict[str, Any] = line.pop("request")
    assert not line
    return request


def test_vertex_names_a_request_by_custom_id_and_gemini_by_key() -> None:
    assert (VERTEX.id_field, GEMINI.id_field) == ("custom_id", "key")


@both
def test_an_assistant_is_the_model_and_system_messages_stand_beside_the_contents(speech: GoogleLines) -> None:
    talk = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "1?"},
        {"role": "assistant", "content": "2"},
        {"role": "developer", "content": "In French."},
        {"role": "user", "content": "3?"},
    ]

    assert request_of(speech, talk) == {
        "contents": [
            {"role": "user", "parts": [{"text": "1?"}]},
            {"role": "model", "parts": [{"text": "2"}]},
            {"role": "user", "parts": [{"text": "3?"}]},
        ],
        "systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "In French."}]},
    }


@pytest.mark.parametrize(
    ("part", "google"),
    [
        ({"type": "text", "text": "t"}, {"text": "t"}),
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
            {"inlineData": {"mimeType": "image/png", "data": "QUJD"}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "gs://b/a/cat.jpg"}},
            {"fileData": {"mimeType": "image/jpeg", "fileUri": "gs://b/a/cat.jpg"}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://x.test/cat.png?size=2"}},
            {"fileData": {"mimeType": "image/png", "fileUri": "https://x.test/cat.png?size=2"}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}},
            {"inlineData": {"mimeType": "audio/wav", "data": "QUJD"}},
        ),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,QUJD"}},
            {"inlineData": {"mimeType": "application/pdf", "data": "QUJD"}},
        ),
    ],
    ids=["text", "inline-image", "bucket-image", "web-image", "sound", "file"],
)
def test_openai_parts_are_respelled(part: dict[str, Any], google: dict[str, Any]) -> None:
    request = request_of(VERTEX, [{"role": "user", "content": [part]}])

    assert request["contents"] == [{"role": "user", "parts": [google]}]


@both
def test_googles_own_parts_pass_in_camel_case(speech: GoogleLines) -> None:
    file = {"mime_type": "video/mp4", "file_uri": "gs://b/v"}
    talk = [
        {"role": "user", "parts": [{"file_data": file, "video_metadata": {"fps": 2}}, {"text": "What?"}]},
        {"role": "model", "parts": [{"text": "A cat.", "thought_signature": "c2ln"}]},
        {"role": "user", "content": "And?"},
    ]

    assert request_of(speech, talk)["contents"] == [
        {
            "role": "user",
            "parts": [
                {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://b/v"}, "videoMetadata": {"fps": 2}},
                {"text": "What?"},
            ],
        },
        {"role": "model", "parts": [{"text": "A cat.", "thoughtSignature": "c2ln"}]},
        {"role": "user", "parts": [{"text": "And?"}]},
    ]


@both
@pytest.mark.parametrize(
    ("talk", "told"),
    [
        ([{"role": "system", "content": "x"}], "no message of a user"),
        ([{"role": "tool", "content": "x"}], "tool"),
        ([{"role": "user", "content": "x", "name": "Ada"}], "'name'"),
        ([{"role": "user", "content": [{"type": "video"}]}], "'video'"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "ftp://x"}}]}], "gs://"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "gs://b/x"}}]}],
            "fileData",
        ),
        ([{"role": "user", "parts": []}], "parts must be a list"),
        ([{"role": "user", "parts": [{"text": 3}]}], "text must be text"),
        ([{"role": "user", "parts": [{"fileData": {"fileUri": "gs://b/x"}}]}], "mimeType"),
        ([{"role": "user", "parts": [{"function_call": {"name": "f"}}]}], "call to a tool"),
        ([{"role": "user", "parts": [{"text": "x"}]}, None], "must be a dict"),
    ],
    ids=lambda value: value if isinstance(value, str) else "talk",
)
def test_what_google_would_refuse_or_drop_is_refused_by_its_place(
    speech: GoogleLines, talk: Any, told: str
) -> None:
    with pytest.raises(InvalidRequestError, match=f"request 4: .*{told}"):
        speech.encoder({})(talk, 4)


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ({"text": "x", "partMetadata": {}}, "partMetadata"),
        ({"text": "x", "partMetadata": None}, "null"),
        ({"text": "x", "partMetadata": {"a b": 1}}, "column"),
        ({"text": "x", "partMetadata": {"a": [1, "b"]}}, "one kind"),
        ({"text": "x", "partMetadata": {"a": [[1]]}}, "list of lists"),
    ],
    ids=["empty", "null", "key", "mixed", "nested-list"],
)
def test_a_row_that_vertex_cannot_load_is_refused_and_gemini_takes_it(
    part: dict[str, Any], told: str
) -> None:
    talk = [{"role": "user", "parts": [part]}]

    with pytest.raises(InvalidRequestError, match=told):
        VERTEX.encoder({})(talk, 0)
    assert GEMINI.encoder({})(talk, 0)


def test_a_row_deeper_than_vertex_loads_is_refused() -> None:
    deep: Any = "x"
    for _ in range(13):
        deep = {"a": deep}

    with pytest.raises(InvalidRequestError, match="16 levels"):
        VERTEX.encoder({})([{"role": "user", "parts": [{"text": "x", "partMetadata": deep}]}], 0)


@both
def test_a_response_model_becomes_a_schema_of_the_generation_config(speech: GoogleLines) -> None:
    body = template(speech, City, seed=1)

    assert speech.structured(body)
    assert body["generationConfig"]["seed"] == 1
    assert body["generationConfig"]["responseMimeType"] == "application/json"
    assert body["generationConfig"]["responseSchema"]["properties"] == {"name": {"type": "STRING"}}
    assert not speech.structured(template(speech))


@both
def test_parameters_are_taken_by_name_or_in_a_config_and_in_either_case(speech: GoogleLines) -> None:
    config = {"thinking_config": {"thinking_budget": 0}, "topP": 0.5, "brandNew": 1}

    body = template(
        speech, top_p=1, stop_sequences=["."], generation_config=config, safety_settings=[{"x": "y"}]
    )

    assert body == {
        "safetySettings": [{"x": "y"}],
        "generationConfig": {
            "thinkingConfig": {"thinkingBudget": 0},
            "topP": 1.0,
            "brandNew": 1,
            "stopSequences": ["."],
        },
    }


def test_fractions_are_written_as_such_so_that_all_rows_hold_one_kind_of_number() -> None:
    body = VERTEX.template(MODEL, None, max_tokens=5, temperature=0, options={"topP": 1})

    assert orjson.dumps(body) == b'{"generationConfig":{"maxOutputTokens":5,"temperature":0.0,"topP":1.0}}'


@both
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"tools": [{"google_search": {}}]}, "call to a tool"),
        ({"tool_config": {}}, "call to a tool"),
        ({"contents": TALK}, "messages"),
        ({"candidateCount": 2}, "one answer"),
        ({"responseSchema": {}}, "response model"),
        ({"generationConfig": {"response_schema": {}}}, "response model"),
        ({"topP": 3}, "between 0 and 1"),
        ({"seed": 0.5}, "whole number"),
        ({"stop": ["x"]}, "'stop' is none"),
        ({"systemInstruction": 3}, "text or an object"),
    ],
    ids=[
        "tools",
        "tool-config",
        "contents",
        "count",
        "schema",
        "config",
        "range",
        "kind",
        "unknown",
        "system",
    ],
)
def test_an_option_that_no_request_may_have_is_refused(
    speech: GoogleLines, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidInputError, match=told):
        template(speech, **options)


@pytest.mark.parametrize(
    ("speech", "options"),
    [(VERTEX, {"cachedContent": "c"}), (GEMINI, {"labels": {"a": "b"}})],
    ids=["google", "gemini"],
)
def test_an_option_of_the_other_api_is_refused(speech: GoogleLines, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="cannot be set"):
        template(speech, **options)


def test_an_option_that_vertex_cannot_load_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"generationConfig\.speechConfig"):
        template(VERTEX, speechConfig={})


@both
def test_a_requests_own_parameters_win_one_by_one(speech: GoogleLines) -> None:
    body = template(speech, City, seed=1, topP=0.5)
    own = speech.overrides(MODEL, 9, None, {"seed": 2, "topP": None})

    line = orjson.loads(speech.object_line("k", body, speech.encode_request(TALK, own, body, 0)))

    config = line["request"]["generationConfig"]
    assert (config["seed"], config["maxOutputTokens"], "topP" in config) == (2, 9, False)
    assert config["responseSchema"] == body["generationConfig"]["responseSchema"]


@both
def test_a_temperature_of_nought_is_not_taken_for_none(speech: GoogleLines) -> None:
    own = speech.overrides(MODEL, None, 0.0, {})

    line = orjson.loads(speech.object_line("k", {}, speech.encode_request(TALK, own, {}, 0)))

    assert line["request"]["generationConfig"] == {"temperature": 0.0}


@both
def test_an_instruction_for_all_requests_and_a_system_message_are_not_mixed(speech: GoogleLines) -> None:
    body = template(speech, systemInstruction="Be brief.")
    talk = [{"role": "system", "content": "x"}, *TALK]

    assert body == {"systemInstruction": {"parts": [{"text": "Be brief."}]}}
    with pytest.raises(InvalidRequestError, match="systemInstruction"):
        speech.encoder(body)(talk, 0)
    with pytest.raises(InvalidRequestError, match="systemInstruction"):
        speech.encode_request(talk, {}, body, 0)
    assert request_of(speech, TALK, body)["systemInstruction"] == body["systemInstruction"]


@both
def test_a_users_line_may_hold_its_own_schema_and_its_instruction_goes_with_its_contents(
    speech: GoogleLines,
) -> None:
    config = {"responseSchema": {"type": "STRING"}, "response_mime_type": "application/json"}
    request = {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "system_instruction": {"parts": [{"text": "Be brief."}]},
        "generation_config": config,
    }

    read = speech.read_line({speech.id_field: "a", "request": request}, MODEL)

    assert read.custom_id == "a"
    assert read.common == {
        "generationConfig": {"responseSchema": {"type": "STRING"}, "responseMimeType": "application/json"}
    }
    assert list(read.conversation) == ["contents", "systemInstruction"]
    assert read.row == (
        b'[{"role":"user","parts":[{"text":"hi"}]}],"systemInstruction":{"parts":[{"text":"Be brief."}]}'
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ({"custom_id": "a", "body": {}, "url": "x"}, "request must be an object"),
        ({"key": "a", "request": {}}, "for gemini"),
        ({"custom_id": 3, "request": {}}, "custom_id must be a string"),
        ({"custom_id": "a", "request": {"contents": TALK, "model": "other"}}, "other"),
        ({"custom_id": "a", "request": {"contents": []}}, "empty"),
        ({"custom_id": "a", "request": {"contents": TALK, "tools": [{}]}}, "tool"),
        (
            {
                "custom_id": "a",
                "request": {"contents": TALK, "generationConfig": {"responseSchema": {"$ref": "x"}}},
            },
            "column",
        ),
    ],
    ids=["openai", "gemini", "id", "model", "empty", "tools", "schema"],
)
def test_a_users_line_that_vertex_could_not_run_is_refused(line: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        VERTEX.read_line(line, MODEL)


def test_vertex_lines_are_kept_without_the_request_that_they_echo() -> None:
    line = {"custom_id": "a", "status": "", "request": {"contents": [None]}, "response": {"candidates": []}}

    assert orjson.loads(VERTEX.kept(line, b"raw")) == {
        "custom_id": "a",
        "status": "",
        "response": {"candidates": []},
    }
    assert VERTEX.kept({"custom_id": "a"}, b"raw") == b"raw"
    assert GEMINI.kept({"key": "a", "response": {}}, b"raw") == b"raw"


def test_a_vertex_line_that_is_nested_too_deeply_to_be_shortened_is_kept_as_it_came() -> None:
    deep = orjson.loads(b"[" * 300 + b"]" * 300)

    assert VERTEX.kept({"custom_id": "a", "request": {}, "response": deep}, b"raw") == b"raw"
    assert VERTEX.kept({"custom_id": "a", "request": deep}, b"raw") == b'{"custom_id":"a"}'


@both
@pytest.mark.parametrize("depth", [300, 900], ids=["written", "walked"])
def test_a_users_line_that_is_nested_too_deeply_is_refused(speech: GoogleLines, depth: int) -> None:
    deep = orjson.loads(b'{"a":' * depth + b"1" + b"}" * depth)
    part = {"text": "hi", "partMetadata": deep}
    contents = [{"role": "user", "parts": [part]}]

    with pytest.raises(ValueError, match=r"deep"):
        speech.read_line({speech.id_field: "a", "request": {"contents": contents}}, MODEL)
    with pytest.raises(InvalidRequestError):
        speech.encoder({})(contents, 0)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "parts", "text", "type", "file_data", "inlineData", "x y"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)
_REQUESTS = st.dictionaries(
    st.sampled_from(
        ["contents", "generation_config", "systemInstruction", "labels", "tools", "model", "odd"]
    ),
    _JSON,
)


@both
@given(request=_REQUESTS | _JSON)
def test_a_users_line_is_read_or_refused_and_never_breaks_anything_else(
    speech: GoogleLines, request: Any
) -> None:
    with contextlib.suppress(ValueError):
        read = speech.read_line({speech.id_field: "a", "request": request}, MODEL)

        assert read.row.startswith(b"[")
