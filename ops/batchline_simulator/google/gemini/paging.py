"""The page size that a list call of the Gemini API asks for."""

from starlette.requests import Request

from batchline_simulator.google.rpc_errors import refused


def page_size(request: Request, *, default: int, highest: int) -> int:
    """Read `pageSize`, or refuse the call; 0 asks for the default, and too much for the most there is."""
    text = request.query_params.get("pageSize", "0")
    if not text.isdecimal():
        raise refused(400, f"Invalid value at 'page_size' (TYPE_INT32), \"{text}\"")
    return min(int(text) or default, highest)
