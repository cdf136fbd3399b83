"""Live calls: one request, answered while its caller waits, by the same responder as a batch's.

An upstream server is asked for batches only; a live call would go to it directly.
"""

from collections.abc import Callable
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from batchline_simulator.responder import Answer, Question, Responder

__all__ = ["answered", "json_object"]


async def json_object(request: Request, malformed: Callable[[], Exception]) -> tuple[dict[str, Any], bytes]:
    """Read a call's body, parsed and as it came; raises what `malformed` makes where it is no JSON object."""
    raw = await request.body()
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise malformed()
    return body, raw


async def answered(responder: Responder, question: Question) -> Answer:
    """Let the responder answer, in a thread: it may take its time."""
    return await run_in_threadpool(responder, question)
