"""Options of a request to a Gemini model, sorted into its body: parameters of generation, and the rest.

A parameter can be given by its own name (`topP=0.9`) or inside `generationConfig`,
which is how parameters are given that this version does not know. Names in snake
case are respelled; any other unknown name is refused, as Google would drop it.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from batchline_shared.dialects.google_contents import camel, camel_keys, instruction
from batchline_shared.dialects.openai_options import Rule, check_options, flag, mapping, number, text, whole
from batchline_shared.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CONFIG", "SCHEMA_FIELDS", "checked_config", "checked_fields", "sorted_options"]

CONFIG: Final = "generationConfig"

_MADE: Final = "it is made from the response model"
_NO_TOOLS: Final = "an answer must be the result, not a call to a tool"

SCHEMA_FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "responseSchema": _MADE,
        "responseJsonSchema": _MADE,
        "responseMimeType": _MADE,
        "responseFormat": _MADE,
    }
)
"""Parameters that say what an answer looks like; a batch file may hold them, options may not."""

_SCHEMAS: Final = frozenset({"responseSchema", "responseJsonSchema"})
"""Where keys are the names of the user's fields."""

_ONE_ANSWER: Final[Mapping[str, str]] = MappingProxyType(
    {"candidateCount": "a request has one outcome, so one answer"}
)

_RESERVED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "contents": "give them as the request's messages",
        "messages": "give them as the request's messages",
        "model": "give it as 'provider/model-name'; a batch has one",
        "tools": _NO_TOOLS,
        "toolConfig": _NO_TOOLS,
        "stream": "a batch cannot stream",
    }
)

_texts = Rule(
    "a list of texts",
    lambda value: isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value),
)
_objects = Rule(
    "a list of objects",
    lambda value: isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value),
)
_labels = Rule(
    "an object of texts",
    lambda value: isinstance(value, dict) and bool(value) and all(isinstance(v, str) for v in value.values()),
)

_CONFIG_RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "audioTimestamp": flag,
        "enableAffectiveDialog": flag,
        "enableEnhancedCivicAnswers": flag,
        "frequencyPenalty": number(-2, 2),
        "imageConfig": mapping,
        "logprobs": whole(0, 20),
        "maxOutputTokens": whole(1),
        "mediaResolution": text(),
        "presencePenalty": number(-2, 2),
        "responseLogprobs": flag,
        "responseModalities": _texts,
        "routingConfig": mapping,
        "seed": whole(-(2**31), 2**31 - 1),
        "speechConfig": mapping,
        "stopSequences": _texts,
        "temperature": number(0, 2),
        "thinkingConfig": mapping,
        "topK": whole(1),
        "topP": number(0, 1),
    }
)
"""Parameters of generation. Source: google-genai's `GenerationConfig`, 3.4.0."""

_FRACTIONS: Final = frozenset({"temperature", "topP", "presencePenalty", "frequencyPenalty"})
"""Written as `1.0`, never as `1`: Vertex AI loads one kind of number for all rows of a job."""

_BESIDE_RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "cachedContent": text(),
        "labels": _labels,
        "modelArmorConfig": mapping,
        "safetySettings": _objects,
        "serviceTier": text(),
        CONFIG: mapping,
        "systemInstruction": Rule("text or an object", lambda value: isinstance(value, str | dict)),
    }
)
"""Fields of a body beside the contents. Source: Google's `GenerateContentRequest`, read 2026-09."""


def sorted_options(options: Mapping[str, Any], reserved: Mapping[str, str]) -> dict[str, Any]:
    """Sort a user's options into the fields of a body, nulls included.

    Args:
        options: By any spelling; null means: go without this one.
        reserved: Fields that this provider's batches do not take, and why.

    Raises:
        InvalidInputError: An option is unknown, reserved or no value that it can have.
    """
    body: dict[str, Any] = {}
    flat: dict[str, Any] = {}
    for name, value in options.items():
        spelled = camel(name)
        (flat if _is_parameter(spelled) else body)[spelled] = value
    fields = checked_fields(body, reserved)
    # A parameter by its own name is the more explicit one.
    config = {**(fields.get(CONFIG) or {}), **checked_config(flat, SCHEMA_FIELDS)}
    return fields | {CONFIG: config} if config or CONFIG in fields else fields


def checked_fields(
    body: Mapping[str, Any], reserved: Mapping[str, str], unset: Mapping[str, str] = SCHEMA_FIELDS
) -> dict[str, Any]:
    """Check and respell the fields of a body without its contents.

    Args:
        body: The fields.
        reserved: Fields that this provider's batches do not take, and why.
        unset: Parameters of generation that cannot be set here, and why.

    Raises:
        InvalidInputError: A field is unknown, reserved or no value that it can have.
    """
    spelled = {camel(name): value for name, value in body.items()}
    check_options(spelled, reserved={**_RESERVED, **reserved}, rules=_BESIDE_RULES)
    for name in spelled:
        if name not in _BESIDE_RULES:
            raise InvalidInputError(
                f"option {name!r} is none that Google's requests are known to have; "
                f"give a parameter of generation that is new inside {CONFIG}"
            )
    fields = {name: _respelled(name, value) for name, value in spelled.items()}
    if fields.get(CONFIG) is not None:
        fields[CONFIG] = checked_config(fields[CONFIG], unset)
    return fields


def checked_config(config: Mapping[str, Any], unset: Mapping[str, str]) -> dict[str, Any]:
    """Check and respell parameters of generation.

    Raises:
        InvalidInputError: One cannot be set, or has no value that it can have.
    """
    spelled: dict[str, Any] = camel_keys(dict(config), except_in=_SCHEMAS)
    check_options(spelled, reserved={**_ONE_ANSWER, **unset}, rules=_CONFIG_RULES)
    return {
        name: float(value) if name in _FRACTIONS and value is not None else value
        for name, value in spelled.items()
    }


def _is_parameter(name: str) -> bool:
    return name in _CONFIG_RULES or name in SCHEMA_FIELDS or name in _ONE_ANSWER


def _respelled(name: str, value: Any) -> Any:
    if value is None or name in ("labels", CONFIG):
        return value
    if name == "systemInstruction":
        try:
            return instruction(value)
        except ValueError as error:
            raise InvalidInputError(str(error)) from None
    return camel_keys(value)
