"""Stored outcomes and lines of result files, typed by the user's model as the client sees them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar, Unpack

import orjson
from pydantic import BaseModel, PydanticUserError, TypeAdapter, ValidationError

from batchline_shared.dialects.jsonl import parse_line
from batchline_shared.dialects.reasking import NO_JSON
from batchline_shared.outcome_rows import error_type_of, reasks_of
from batchline_shared.outcomes import RETRY_MAY_HELP, BatchError, BatchSuccess, ErrorType, TokenUsage
from batchline_shared.schema_words import schema_words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchline_shared.dialects.base import Dialect
    from batchline_shared.outcomes import Source

__all__ = ["OutcomeReader", "read_line"]

T = TypeVar("T")

_validate_usage: Callable[[dict[str, int]], TokenUsage] = TypeAdapter(TokenUsage).validator.validate_python


class _Sent(TypedDict, total=False):
    """How a request was sent last, by the names of the outcomes' fields."""

    attempts: int
    reasks: int
    source: Source


class OutcomeReader(Generic[T]):
    """Types stored outcomes by the user's model."""

    def __init__(self, dialect: Dialect, response_model: type[T] | None, *, structured: bool) -> None:
        """Prepare to read.

        Args:
            dialect: The provider's, to find the answer in its line.
            response_model: A Pydantic model; None gives text, or plain JSON values where the job had a model.
            structured: Whether the job's answers are JSON.
        """
        self.dialect = dialect
        self._structured = structured
        self._model: type[BaseModel] | None = None
        self._validate: Callable[[str], Any]
        if response_model is not None and issubclass(response_model, BaseModel):
            self._model = response_model
            self._validate = TypeAdapter(response_model).validator.validate_json
        elif structured:
            self._validate = orjson.loads
        else:
            self._validate = str
        success: Any = BatchSuccess
        # The validators themselves: the models' own methods around them cost as much as the work.
        typed = TypeAdapter(success[response_model] if response_model is not None else success[Any])
        self._success: Callable[[dict[str, Any]], BatchSuccess[T]] = typed.validator.validate_python

    @property
    def typed(self) -> bool:
        """Whether there is a model that an answer must fit."""
        return self._model is not None

    def read(self, stored: bytes) -> BatchSuccess[T] | BatchError:
        """Type one stored outcome."""
        outcome = orjson.loads(stored)
        typed = self._typed(outcome)
        if (sent := outcome.get("of")) is None:
            return typed
        return typed.model_copy(update={"duplicate_of": sent, "usage": TokenUsage()})

    def _typed(self, outcome: dict[str, Any]) -> BatchSuccess[T] | BatchError:
        kind = error_type_of(outcome)
        usage = _usage(outcome["u"])
        raw = outcome["raw"]
        sent: _Sent = {
            "attempts": outcome["a"],
            "reasks": reasks_of(outcome),
            "source": outcome.get("s", "batch"),
        }
        if raw is None:
            return _error(outcome["id"], kind or ErrorType.UNKNOWN, outcome["m"], usage, None, **sent)
        # On the wire the line bore our id; users only ever see theirs.
        raw[self.dialect.id_field] = outcome["id"]
        if kind is not None:
            return _error(outcome["id"], kind, outcome["m"], usage, raw, **sent)
        return self.answer(outcome["id"], raw, usage, **sent)

    def line(self, custom_id: str, raw: dict[str, Any]) -> BatchSuccess[T] | BatchError:
        """Judge and type a line of a provider's result file, or of one that `batch results` wrote."""
        if "success" in raw and "response" not in raw:
            return self._exported(custom_id, raw)
        verdict = self.dialect.classify(raw, structured=self._structured)
        usage = _usage(verdict[2:6])
        if verdict.error_type is not None:
            return _error(custom_id, verdict.error_type, verdict.message, usage, raw)
        return self.answer(custom_id, raw, usage)

    def _exported(self, custom_id: str, outcome: dict[str, Any]) -> BatchSuccess[T] | BatchError:
        """Type an outcome that was written as JSON."""
        try:
            if outcome["success"] is not True:
                return BatchError.model_validate(outcome)
            result = outcome.get("result")
            if self._structured:
                result = self._validate(orjson.dumps(result).decode())
            return self._success({**outcome, "result": result})
        except ValidationError as error:
            misfit = _describe_misfit(error, self._model)
            return _error(custom_id, ErrorType.INVALID_OUTPUT, misfit, None, outcome.get("raw"))

    def answer(
        self, custom_id: str, raw: dict[str, Any], usage: TokenUsage | None, **sent: Unpack[_Sent]
    ) -> BatchSuccess[T] | BatchError:
        """Type an answer that the provider gave; one that does not fit the model is an `invalid_output`."""
        text = self.dialect.answer_text(raw, structured=self._structured)
        try:
            if text is None:
                raise ValueError("the answer holds no text")  # noqa: TRY301 - one way out for both
            result = self._validate(text)
        except ValidationError as error:
            return _error(
                custom_id,
                ErrorType.INVALID_OUTPUT,
                _describe_misfit(error, self._model),
                usage,
                raw,
                **sent,
            )
        except ValueError:
            message = "the answer is no JSON" if text is not None else "the answer holds no text"
            return _error(custom_id, ErrorType.INVALID_OUTPUT, message, usage, raw, **sent)
        return self._success(
            {"custom_id": custom_id, "result": result, "usage": usage, "raw": raw, **sent},
        )

    def problems(self, raw: dict[str, Any]) -> list[str]:
        """Say for the model what is wrong with an answer of its own; nothing where it fits.

        What it says quotes the answer, so it is for the model only.
        """
        text = self.dialect.answer_text(raw, structured=self._structured)
        try:
            self._validate(text or "")
        except ValidationError as error:
            return [
                f"{'.'.join(map(str, item['loc'])) or 'answer'}: {item['msg']}"
                for item in error.errors(include_url=False, include_context=False, include_input=False)
            ]
        except ValueError:
            return [NO_JSON]
        return []


def read_line(reader: OutcomeReader[T], line: bytes, number: int) -> BatchSuccess[T] | BatchError:
    """Type one line of a provider's result file, whatever it holds.

    Args:
        reader: For the model and provider.
        line: The line, with or without its newline.
        number: Its number in the file, from 1; a line without an id is named after it: `line-3`.
    """
    try:
        raw, _ = parse_line(line)
    except ValueError:
        return _error(f"line-{number}", ErrorType.UNKNOWN, f"line {number} is no JSON", None, None)
    if not isinstance(raw, dict):
        return _error(f"line-{number}", ErrorType.UNKNOWN, f"line {number} is no JSON object", None, None)
    # What `batch results` writes bears `custom_id`, whoever's answers they are.
    custom_id = raw.get(reader.dialect.id_field, raw.get("custom_id"))
    return reader.line(custom_id if isinstance(custom_id, str) else f"line-{number}", raw)


def _describe_misfit(error: ValidationError, model: type[BaseModel] | None) -> str:
    """Say which fields of an answer do not fit the model, without quoting the answer.

    A place may hold words of the answer too (an unexpected field's name, a key of a dict): what
    the model does not name becomes `*`.
    """
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    known = _names_of(model)
    shown = []
    for item in problems[:5]:
        place = ".".join(str(part) if part in known or isinstance(part, int) else "*" for part in item["loc"])
        shown.append(f"{place or 'answer'}: {item['type']}")
    more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""  # noqa: PLR2004 - as shown above
    return f"the answer does not fit {error.title}: {'; '.join(shown)}{more}"


@cache
def _names_of(model: type[BaseModel] | None) -> frozenset[str]:
    """Every word of a model's schema."""
    try:
        return schema_words([] if model is None else model.model_json_schema())
    except PydanticUserError:  # a custom type without a schema; then no name is known
        return frozenset()


def _usage(tokens: Sequence[int] | None) -> TokenUsage | None:
    if tokens is None or not any(tokens):
        return None
    counts = {
        "input_tokens": tokens[0],
        "output_tokens": tokens[1],
        "cached_input_tokens": tokens[2],
        "reasoning_tokens": tokens[3],
    }
    return _validate_usage(counts)


def _error(
    custom_id: str,
    kind: ErrorType,
    message: str,
    usage: TokenUsage | None,
    raw: dict[str, Any] | None,
    **sent: Unpack[_Sent],
) -> BatchError:
    return BatchError(
        custom_id=custom_id,
        error_type=kind,
        error_message=message,
        retry_may_help=RETRY_MAY_HELP[kind],
        usage=usage,
        raw=raw,
        **sent,
    )
