"""The address by which a caller reached the simulator."""

from starlette.requests import Request


def origin(request: Request) -> str:
    """Return it without a path, such as `http://127.0.0.1:8080`; links in replies begin with it."""
    return f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}"
