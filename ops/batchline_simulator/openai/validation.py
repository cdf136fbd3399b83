"""What OpenAI checks between accepting a batch and starting it.

Every bad line is found before the batch fails, each with its number. Wordings
are from recordings, except those of `_UNVERIFIED`, which nobody has published.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from batchline_simulator.config import SimulatorConfig
from batchline_simulator.openai.endpoint import Endpoint

_REQUIRED = ("custom_id", "method", "url", "body")
_UNVERIFIED = {
    "duplicate_custom_id": "The custom_id '{}' for this request is a duplicate of another request.",
    "mismatched_model": "The provided model '{}' does not match the other requests in this batch.",
    "empty_file": "The batch input file is empty.",
    "too_many_inputs": "The batch input file contains too many inputs. Maximum allowed: {:,}.",
    "too_many_tasks": "The batch input file contains too many requests. Maximum allowed: {:,}.",
}

Found = dict[str, Any]


@dataclass
class Verdict:
    """What was found in one input file."""

    errors: list[Found] = field(default_factory=list)
    model: str | None = None
    """Of the first request that names one."""
    tokens: int = 0
    """Prompt tokens of all requests."""
    inputs: int = 0
    """Inputs of all requests, where the endpoint counts them."""


def problem(code: str, message: str, param: str | None = None, line: int | None = None) -> Found:
    """Write one entry of a batch's errors; lines count from 1."""
    return {"code": code, "message": message, "param": param, "line": line}


def missing_file(file_id: str, organization: str) -> Found:
    """Write the error of a batch whose input file cannot be read."""
    message = f"Cannot find file {file_id}, or organization {organization} does not have access to it."
    return problem("invalid_request", message, "file_id")


def over_token_limit(model: str, limit: int, organization: str) -> Found:
    """Write the error of a batch for which too many tokens are enqueued."""
    message = (
        f"Enqueued token limit reached for {model} in organization {organization}. Limit: {limit:,} enqueued"
        " tokens. Please try again once some in_progress batches have been completed."
    )
    return problem("token_limit_exceeded", message)


def validate(content: Path, endpoint: Endpoint, config: SimulatorConfig) -> Verdict:
    """Read an input file line by line and say what is wrong with it."""
    check = _Check(endpoint, config)
    lines = 0
    with content.open("rb") as source:
        for number, line in enumerate(source, 1):
            lines = number
            check.verdict.errors += check.line(number, line)
    _check_size(check.verdict, content.stat().st_size, lines, config)
    return check.verdict


def _check_size(verdict: Verdict, size: int, lines: int, config: SimulatorConfig) -> None:
    if lines == 0:
        verdict.errors.append(problem("empty_file", _UNVERIFIED["empty_file"]))
    if lines > config.max_lines:
        verdict.errors.append(
            problem("too_many_tasks", _UNVERIFIED["too_many_tasks"].format(config.max_lines))
        )
    if verdict.inputs > config.max_inputs:
        message = _UNVERIFIED["too_many_inputs"].format(config.max_inputs)
        verdict.errors.append(problem("too_many_tasks", message))
    if size > config.max_input_bytes:
        allowed = f"the {config.max_input_bytes} maximum for the {verdict.model} model"
        message = f"The batch input file is larger than {allowed}"
        # The wording is a user's report; the code beside it is a guess.
        verdict.errors.append(problem("invalid_request", message))


class _Check:
    """Checks lines one after another and remembers what they must agree on."""

    def __init__(self, endpoint: Endpoint, config: SimulatorConfig) -> None:
        self.verdict = Verdict()
        self._endpoint = endpoint
        self._config = config
        self._seen: set[str] = set()
        bare = endpoint.path.removeprefix("/v1")
        self._urls = {endpoint.path, bare} if "bare-paths" in config.quirks else {endpoint.path}

    def line(self, number: int, line: bytes) -> Iterator[Found]:
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            row = None
        if not isinstance(row, dict):
            yield problem("invalid_json_line", "This line is not parseable as valid JSON.", line=number)
            return
        absent = [name for name in _REQUIRED if row.get(name) is None]
        for name in absent:
            message = f"Missing required parameter: '{name}'."
            yield problem("missing_required_parameter", message, name, number)
        if not absent:
            yield from self._request(number, row)

    def _request(self, number: int, row: dict[str, Any]) -> Iterator[Found]:
        custom_id, body = row["custom_id"], row["body"]
        if not isinstance(custom_id, str) or not isinstance(body, dict):
            yield problem("invalid_request", "Invalid type for 'custom_id' or 'body'.", "custom_id", number)
            return
        if custom_id in self._seen:
            message = _UNVERIFIED["duplicate_custom_id"].format(custom_id)
            yield problem("duplicate_custom_id", message, "custom_id", number)
        self._seen.add(custom_id)
        if row["method"] != "POST":
            yield problem(
                "invalid_request",
                f"Invalid method '{row['method']}'. Only POST is supported.",
                "method",
                number,
            )
        if row["url"] not in self._urls:
            message = "The URL provided for this request does not match the batch endpoint."
            yield problem("invalid_url", message, "url", number)
        yield from self._model(number, body)
        if (found := self._endpoint.problem(body)) is not None:
            yield problem(*found, number)
        else:
            self.verdict.tokens += self._endpoint.prompt_tokens(body)
            self.verdict.inputs += self._endpoint.inputs(body)

    def _model(self, number: int, body: dict[str, Any]) -> Iterator[Found]:
        model = body.get("model")
        if not isinstance(model, str) or not model:
            yield problem("invalid_request", "Model parameter is required.", "body.model", number)
            return
        if model in self._config.unsupported_models:
            message = f"The provided model '{model}' is not supported by the Batch API."
            yield problem("model_not_found", message, "body.model", number)
        elif self.verdict.model not in (None, model):
            yield problem(
                "mismatched_model", _UNVERIFIED["mismatched_model"].format(model), "body.model", number
            )
        self.verdict.model = self.verdict.model or model
