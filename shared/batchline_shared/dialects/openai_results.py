"""What a line of an OpenAI batch's output or error file means.

A line in the output file counts as `completed` at OpenAI and may still be no
usable answer: truncated, filtered and refused ones are there. Both shapes of a
failed line may stand in either file, so one function reads them all. It is
called once for each of up to 50,000 lines and raises nothing, whatever it reads.

Servers alike leave out `status_code` or `error`, write numbers or the body as
text, or put the answer where its frame should be; all of these are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from batchline_shared.dialects.answers import mapping, text_problem, unfenced
from batchline_shared.dialects.failures import as_status
from batchline_shared.dialects.openai_answers import body_problem, body_text
from batchline_shared.dialects.openai_failures import failure
from batchline_shared.dialects.openai_plain import plain_answer, plain_verdict
from batchline_shared.dialects.verdict import Verdict, token_count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchline_shared.dialects.answers import Problem

__all__ = ["answer_text", "classify"]


def classify(line: Mapping[str, Any], *, structured: bool) -> Verdict:
    """Say whether a result line holds a usable answer, and if not, why.

    Args:
        line: One parsed line of an output or error file. Any JSON value is borne.
        structured: The answer must be JSON, bare or in a ```json fence. Whether
            it fits the response model is for the reader to check.

    Returns:
        The verdict, with the tokens that the line reports: a truncated or
        invalid answer is billed too.
    """
    if (plain := plain_answer(line)) is not None:
        return _verdict(text_problem(plain[0], structured=structured), plain[1])
    fields = mapping(line)
    response = _object(fields.get("response"))
    body = _body(response)
    status = response.get("status_code")
    problem = body_problem(body, structured=structured) if _answered(status) else None
    return _verdict(problem or failure(fields, status, body), body.get("usage"))


def answer_text(line: Mapping[str, Any], *, structured: bool = True) -> str | None:
    """Return the text of a line's answer.

    Args:
        line: One parsed line of an output file. Any JSON value is borne.
        structured: The answer is JSON: take it out of its ```json fence where it stands in one.

    Returns:
        The text; for embeddings the vector as a JSON array, or an array of vectors where
        the request had several inputs. None where the line holds none. It may be cut or
        refused: ask `classify` first.
    """
    if (plain := plain_answer(line)) is not None:
        return unfenced(plain[0]) if structured else plain[0]
    text = body_text(_body(_object(mapping(line).get("response"))))
    return unfenced(text) if structured and text is not None else text


def _answered(status: Any) -> bool:
    """Whether a line of this status may hold an answer; a server alike may leave the status out."""
    code = as_status(status)
    return status is None or (code is not None and 200 <= code < 300)  # noqa: PLR2004 - HTTP's own numbers


def _body(response: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the endpoint's own answer, which a server alike may send without a frame."""
    return _object(response["body"]) if "body" in response else response


def _object(value: Any) -> Mapping[str, Any]:
    """Read a JSON object that some gateways put in as text; an empty one for anything else."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            value = None
    return mapping(value)


def _verdict(problem: Problem, usage: Any) -> Verdict:
    if (plain := plain_verdict(problem, usage)) is not None:
        return plain
    if not isinstance(usage, dict):
        return Verdict(*problem, 0, 0, 0, 0)
    if "prompt_tokens" in usage:
        given, spent = "prompt_tokens", "completion_tokens"
        read, thought = "prompt_tokens_details", "completion_tokens_details"
    else:
        given, spent = "input_tokens", "output_tokens"
        read, thought = "input_tokens_details", "output_tokens_details"
    return Verdict(
        *problem,
        token_count(usage.get(given)),
        token_count(usage.get(spent)),
        token_count(mapping(usage.get(read)).get("cached_tokens")),
        token_count(mapping(usage.get(thought)).get("reasoning_tokens")),
        token_count(mapping(usage.get(read)).get("cache_write_tokens")),
    )
