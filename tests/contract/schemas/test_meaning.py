"""What every dialect must keep: what the schema allows, the model validates, and the other way round."""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from batchline_shared.errors import SchemaError
from batchline_shared.schemas import (
    anthropic_schema,
    anthropic_tool_schema,
    gemini_schema,
    strict_schema,
    vertex_schema,
)
from contract.schemas.answers import ANSWERS, LOOSE_ANSWERS
from contract.schemas.instances import Schema, as_json_schema, instances

EVERY = ANSWERS | LOOSE_ANSWERS


@dataclass(frozen=True)
class Case:
    write: Callable[[type[BaseModel]], Schema]
    model: type[BaseModel]
    schema: Schema
    """As JSON schema, whichever the dialect."""

    def __str__(self) -> str:
        return f"{self.write.__name__}-{self.model.__name__}"


def _cases() -> list[Case]:
    cases = []
    for write in (strict_schema, anthropic_schema, anthropic_tool_schema, gemini_schema, vertex_schema):
        for model in EVERY:
            try:
                schema = write(model)
            except SchemaError:
                continue  # which ones, and why, each dialect's own contract says
            google = write in (gemini_schema, vertex_schema)
            cases.append(Case(write, model, as_json_schema(schema) if google else schema))
    return cases


CASES = _cases()

DUMPS_DIFFER = {
    "JsonText": "Json dumps the value and validates its text",
    "OtherFormats": "SecretStr dumps asterisks, re.Pattern an object",
    "Aliased": "a validation alias is not used for dumping",
    "Computed": "a computed field is dumped and never asked for",
}
"""Models whose dump Pydantic means to differ from what they validate."""

DUMPED = [case for case in CASES if case.model.__name__ not in DUMPS_DIFFER]

OPEN = {"Dicts", "Open", "Anything", "RootList", "RootUnion", "HoldsEmpty", "Empty", "Tuples"}
"""Models with an open object, or whose root has no fields that could be left out."""

CLOSED = [case for case in CASES if case.model.__name__ not in OPEN]

UNSAID = {
    "Numbers": "Pydantic's own schema takes any text for a Decimal",
    "OtherFormats": "no dialect can say what a path or a network is",
    "Moments": "Pydantic's own schema does not say that a date is past",
    "WebPage": "a URI may have another scheme than http",
    "JsonText": "no dialect can say that a text is JSON",
}
"""Models of which even Pydantic's schema says less than they validate."""


def says_it_all(case: Case) -> bool:
    """Tell whether nothing became words, so that the dialect claims to keep the meaning."""
    told = "{" in json.dumps([*_descriptions(case.schema)])
    plain = case.write is not anthropic_tool_schema or case.model in ANSWERS
    return not told and plain and case.model.__name__ not in UNSAID


def _descriptions(node: Any) -> list[str]:
    if isinstance(node, list):
        return [text for each in node for text in _descriptions(each)]
    if not isinstance(node, dict):
        return []
    own = [node["description"]] if isinstance(node.get("description"), str) else []
    return own + [text for each in node.values() for text in _descriptions(each)]


KEPT = [case for case in CASES if says_it_all(case)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_complete_answer_satisfies_both_the_schema_and_the_model(case: Case) -> None:
    answer = EVERY[case.model]

    jsonschema.Draft202012Validator(case.schema).validate(answer)
    case.model.model_validate_json(json.dumps(answer))


@pytest.mark.parametrize("case", DUMPED, ids=str)
def test_what_the_model_dumps_satisfies_the_schema(case: Case) -> None:
    dumped = case.model.model_validate_json(json.dumps(EVERY[case.model]))

    jsonschema.Draft202012Validator(case.schema).validate(dumped.model_dump(mode="json", by_alias=True))


@pytest.mark.parametrize("case", CLOSED, ids=str)
def test_an_answer_with_an_unknown_or_a_missing_field_is_outside_the_schema(case: Case) -> None:
    validator = jsonschema.Draft202012Validator(case.schema)
    answer = EVERY[case.model]
    short = dict(list(answer.items())[1:])

    assert not validator.is_valid(answer | {"unknown": 1})
    assert not validator.is_valid(short)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_building_leaves_the_models_own_schema_as_it_was(case: Case) -> None:
    before = copy.deepcopy(case.model.model_json_schema())
    first = case.write(case.model)

    assert case.write(case.model) == first
    assert case.model.model_json_schema() == before


@pytest.mark.parametrize("case", KEPT, ids=str)
@settings(max_examples=8, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
@given(data=st.data())
def test_whatever_the_schema_allows_the_model_validates(case: Case, data: st.DataObject) -> None:
    answer = data.draw(instances(case.schema, case.schema))

    jsonschema.Draft202012Validator(case.schema).validate(answer)
    case.model.model_validate_json(json.dumps(answer))


def test_every_dialect_keeps_the_whole_meaning_of_half_of_the_models_or_more() -> None:
    writers = {case.write for case in CASES}

    for write in writers:
        kept = sum(case.write is write for case in KEPT)
        assert kept >= sum(case.write is write for case in CASES) / 2, write.__name__
