"""`POST /v1/messages`: one message, without a batch."""

import secrets
from random import Random

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from batchline_simulator.anthropic import message
from batchline_simulator.anthropic.errors import error_response, refused
from batchline_simulator.anthropic.params import Rules
from batchline_simulator.anthropic.prompt_cache import PromptCache
from batchline_simulator.core import Workshop
from batchline_simulator.gateway import Refused
from batchline_simulator.live import answered, json_object


class MessageRoute:
    """Handler of the live call."""

    def __init__(self, workshop: Workshop) -> None:
        self._shop = workshop

    async def create(self, request: Request) -> Response:
        """Answer one request, by the rules of the API's version that it names."""
        params, raw = await json_object(request, _malformed)
        problem = Rules(request.headers["anthropic-version"], self._shop.config).problem(params)
        if problem is not None:
            status = 404 if problem.type == "not_found_error" else 400
            raise Refused(error_response(status, problem.message, error_type=problem.type))
        answer = await answered(self._shop.responder, message.question("", params, raw))
        rng = Random(secrets.randbits(64))  # noqa: S311 - ids of a simulation
        said = message.reply(params, answer, PromptCache().usage(params), rng)
        said["usage"]["service_tier"] = "standard"
        return JSONResponse(said)


def _malformed() -> Exception:
    return refused(400, "The request body is not valid JSON.")
