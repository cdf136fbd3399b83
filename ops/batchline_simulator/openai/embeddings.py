"""`/v1/embeddings` inside a batch.

Vectors follow from model and text alone, and a shorter one is the beginning of
the longer, scaled to length 1 again: so it is with the provider's models.
"""

import base64
import hashlib
import math
import random
import struct
import sys
from array import array
from typing import Any

from batchline_simulator.openai.endpoint import Body
from batchline_simulator.openai.errors import RowError, envelope, invalid_value
from batchline_simulator.openai.objects import Usage
from batchline_simulator.openai.parameters import bad_count, unknown_word
from batchline_simulator.responder import Answer, Question
from batchline_simulator.tokens import tokens_in

_DIMENSIONS = 1536
_LARGE_DIMENSIONS = 3072
"""Of models whose name ends in `3-large`, unless the request asks for fewer."""
_MAX_ARRAY = 2048
_MAX_INPUT_TOKENS = 8192
_MAX_REQUEST_TOKENS = 300_000
"""Limits of one request. Source: `EmbeddingCreateParams.input` of the openai package."""

Input = str | list[int]
"""One thing to embed: a text, or its tokens."""


class Embeddings:
    """The embeddings endpoint; implements `Endpoint`."""

    path = "/v1/embeddings"

    def problem(self, body: Body) -> tuple[str, str, str] | None:
        """Return what fails the whole batch; the wording is that of chat's missing messages, unverified."""
        if body.get("input") is None:
            return "invalid_request", "Input parameter is required.", "body.input"
        return None

    def prompt_tokens(self, body: Body) -> int:
        """Count every input."""
        return sum(map(_tokens, _inputs(body)))

    def inputs(self, body: Body) -> int:
        """Count the inputs, of which a batch may hold as many as it may hold lines."""
        return len(_inputs(body))

    def rejection(self, body: Body) -> RowError | None:
        """Check the inputs, their size, and how the vectors are wanted."""
        return (
            _bad_input(body["input"], _inputs(body))
            or bad_count(body, "dimensions", lowest=1)
            or _bad_dimensions(body)
            or unknown_word(
                body.get("encoding_format") or "float", ("float", "base64"), param="encoding_format"
            )
        )

    def question(self, custom_id: str, body: Body, raw: bytes) -> Question:
        """Ask for nothing in words; the reply follows from the inputs."""
        return Question(custom_id, body, raw, None, model=str(body["model"]))

    def reply(self, body: Body, answer: Answer, *, now: int, rng: random.Random) -> tuple[Body, Usage]:
        """Write the list of vectors, in the order of the inputs."""
        del answer, now, rng
        model, wanted = str(body["model"]), body.get("dimensions") or _most_dimensions(str(body["model"]))
        encoded = body.get("encoding_format") == "base64"
        vectors = (unit_vector(model, one, wanted) for one in _inputs(body))
        data = [
            {"object": "embedding", "index": place, "embedding": _packed(vector) if encoded else vector}
            for place, vector in enumerate(vectors)
        ]
        tokens = self.prompt_tokens(body)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": data, "model": model, "usage": usage}, (tokens, 0)


def unit_vector(model: str, one: Input, dimensions: int) -> list[float]:
    """Invent the vector of an input: `dimensions` numbers whose squares sum to 1."""
    seed = f"{model}\0{one}".encode(errors="surrogatepass")
    drawn = array("h", hashlib.shake_128(seed).digest(2 * dimensions))
    if sys.byteorder == "big":
        drawn.byteswap()
    # A vector of zeros has no direction; drawing one is next to impossible, and 1 is then as good.
    length = math.sqrt(sum(number * number for number in drawn)) or 1.0
    return [round(number / length, 9) for number in drawn]


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _most_dimensions(model: str) -> int:
    return _LARGE_DIMENSIONS if model.endswith("3-large") else _DIMENSIONS


def _inputs(body: Body) -> list[Input]:
    """Take the inputs apart: one text, texts, one list of tokens, or lists of tokens."""
    given: Any = body["input"]
    if isinstance(given, str) or (isinstance(given, list) and given and isinstance(given[0], int)):
        return [given]
    return list(given) if isinstance(given, list) else []


def _tokens(one: Any) -> int:
    return len(one) if isinstance(one, list) else tokens_in(str(one))


def _bad_input(given: Any, inputs: list[Input]) -> RowError | None:
    """Refuse inputs as the provider does: what is empty or of the wrong type has one wording for all."""
    usable = all(isinstance(one, str | list) and one for one in inputs)
    if not inputs or not usable:
        text = "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference."
        return RowError(400, envelope(text)["error"])
    if isinstance(given, list) and len(given) > _MAX_ARRAY:
        return invalid_value("input", f"maximum input array length is {_MAX_ARRAY}, not {len(given)}.")
    counts = [_tokens(one) for one in inputs]
    if max(counts) > _MAX_INPUT_TOKENS:
        return invalid_value("input", f"maximum input length is {_MAX_INPUT_TOKENS} tokens.")
    if sum(counts) > _MAX_REQUEST_TOKENS:
        text = (
            f"Requested {sum(counts)} tokens, maximum is {_MAX_REQUEST_TOKENS} tokens per request"
            " over all inputs."
        )
        return RowError(400, envelope(text, param="input", code="max_tokens_per_request")["error"])
    return None


def _bad_dimensions(body: Body) -> RowError | None:
    wanted, model = body.get("dimensions"), str(body["model"])
    if wanted is None:
        return None
    if model.endswith("ada-002"):
        return RowError(400, envelope("This model does not support specifying dimensions.")["error"])
    if wanted > _most_dimensions(model):
        problem = f"expected a value <= {_most_dimensions(model)}, but got {wanted} instead."
        return invalid_value("dimensions", problem, "integer_above_max_value")
    return None
