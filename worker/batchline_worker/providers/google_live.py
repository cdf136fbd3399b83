"""One request to the live `generateContent` of Vertex AI or the Gemini API, told as a batch would tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import orjson

from batchline_shared.errors import ProviderRejectedError
from batchline_worker.providers.google_calls import milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.genai import Client

    from batchline_worker.providers.base import LiveCall

__all__ = ["asked"]

_REPLACED: Final = "."
"""Contents that the SDK accepts; those of the request take their place in the body."""


def asked(call: LiveCall, json: Callable[[Callable[[Client], object]], Any]) -> bytes:
    """Ask once, and write the answer, or the refusal, as a result line.

    The body goes out as it stands in the line: the SDK's own reading would refuse what it does not know.

    Args:
        call: The request.
        json: Makes a call and returns its reply.
    """
    request = orjson.loads(call.line)["request"]
    options = {"timeout": milliseconds(call.timeout_s), "extra_body": request}
    try:
        response = json(
            lambda sdk: sdk.models.generate_content(
                model=call.model, contents=_REPLACED, config=cast("Any", {"http_options": options})
            )
        )
    except ProviderRejectedError as error:
        refusal = {"code": error.status_code, "message": str(error), "status": error.code}
        return orjson.dumps({"error": refusal})
    return orjson.dumps({"response": response})
