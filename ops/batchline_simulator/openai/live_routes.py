"""OpenAI's endpoints themselves, as they are called without a batch."""

import secrets
import time
from random import Random

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from batchline_simulator.core import Workshop
from batchline_simulator.gateway import Handler, Refused
from batchline_simulator.live import answered, json_object
from batchline_simulator.openai.endpoint import Endpoint
from batchline_simulator.openai.errors import envelope, refused

LIVE_CALLS = {
    "/v1/chat/completions": "chat.completions.create",
    "/v1/responses": "responses.create",
    "/v1/embeddings": "embeddings.create",
}
"""Endpoint → the name of its call."""


def live_handler(workshop: Workshop, endpoint: Endpoint) -> Handler:
    """Make the handler of one endpoint."""

    async def create(request: Request) -> Response:
        body, raw = await json_object(request, _malformed)
        if (problem := endpoint.problem(body)) is not None:
            code, message, param = problem
            raise refused(400, message, param=param, code=code)
        if (rejection := endpoint.rejection(body)) is not None:
            raise Refused(JSONResponse({"error": dict(rejection.error)}, rejection.status))
        answer = await answered(workshop.responder, endpoint.question("", body, raw))
        reply, _ = endpoint.reply(body, answer, now=int(time.time()), rng=Random(secrets.randbits(64)))  # noqa: S311 - ids of a simulation
        return JSONResponse(reply)

    return create


def _malformed() -> Exception:
    return Refused(JSONResponse(envelope("We could not parse the JSON body of your request."), 400))
