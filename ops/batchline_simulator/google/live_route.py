"""`:generateContent` of Vertex AI and the Gemini API: one request, without a batch."""

import secrets
from random import Random

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from batchline_simulator.core import Workshop
from batchline_simulator.google.generate_request import problem_of, question_of
from batchline_simulator.google.generate_response import reply_to
from batchline_simulator.google.rpc_errors import refused
from batchline_simulator.google.schema_check import unknown_field
from batchline_simulator.live import answered, json_object


class GenerateRoute:
    """Handler of the live call of one of the two APIs."""

    def __init__(self, workshop: Workshop, keywords: frozenset[str]) -> None:
        """Args: keywords: Those of schemas that the API knows."""
        self._shop = workshop
        self._keywords = keywords

    async def generate(self, request: Request) -> Response:
        """Answer one request."""
        body, raw = await json_object(request, _malformed)
        model = request.path_params["model"]
        if not isinstance(body.get("contents"), list):
            raise refused(400, "* GenerateContentRequest.contents: contents is not specified")
        if (problem := problem_of(body, role_required=False)) is not None:
            raise refused(problem.code, problem.message)
        if (unknown := unknown_field(body, self._keywords)) is not None:
            raise refused(400, unknown)
        answer = await answered(self._shop.responder, question_of("", body, raw, model=model))
        rng = Random(secrets.randbits(64))  # noqa: S311 - ids of a simulation
        return JSONResponse(reply_to(body, answer, model=model, rng=rng).body)


def _malformed() -> Exception:
    return refused(400, "Invalid JSON payload received.")
