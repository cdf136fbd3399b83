"""A job's requests, checked and encoded one at a time as they stream in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchline.chunking import EncodedRequest
from batchline.requests import BatchRequest, check_many
from batchline_shared.errors import InvalidInputError, InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from batchline_shared.dialects.base import Dialect

__all__ = ["RequestEncoder", "encoded"]


class RequestEncoder:
    """Checks and encodes the requests of one job."""

    def __init__(self, speech: Dialect, model_name: str, template: Mapping[str, Any]) -> None:
        self._speech = speech
        self._model_name = model_name
        self._template = template
        self.encode = speech.encoder(template)

    def request(self, request: BatchRequest, row: int) -> EncodedRequest:
        """Encode a request that may have options of its own."""
        try:
            overrides = self._speech.overrides(
                self._model_name, request.max_tokens, request.temperature, request.options
            )
        except InvalidInputError as error:
            raise InvalidRequestError(str(error), row=row) from None
        if not overrides:
            return EncodedRequest(self.encode(request.messages, row), request.custom_id)
        row_of_its_own = self._speech.encode_request(request.messages, overrides, self._template, row)
        return EncodedRequest(row_of_its_own, request.custom_id)


def encoded(
    encoder: RequestEncoder, requests: Iterable[Any], custom_ids: Iterable[str] | None
) -> Iterator[EncodedRequest]:
    """Check and encode the requests as they stream, each with its id.

    Raises:
        InvalidRequestError: While it is read: a request is bad; names it.
        InvalidInputError: `requests` is no collection, or `custom_ids` is none or of another length.
    """
    check_many(requests, "requests must be an iterable of conversations")
    stream = _streamed(encoder, requests)
    if custom_ids is None:
        return stream
    check_many(custom_ids, "custom_ids must be an iterable of strings")
    return _named(stream, custom_ids)


def _streamed(encoder: RequestEncoder, requests: Iterable[Any]) -> Iterator[EncodedRequest]:
    encode = encoder.encode
    for row, request in enumerate(requests):
        if isinstance(request, BatchRequest):
            yield encoder.request(request, row)
        else:
            yield EncodedRequest(encode(request, row), None)


def _named(stream: Iterator[EncodedRequest], custom_ids: Iterable[str]) -> Iterator[EncodedRequest]:
    """Give each request its id; both run out together, or it is an error."""
    names = iter(custom_ids)
    end = object()
    count = 0
    for count, request in enumerate(stream, start=1):
        if request.custom_id is not None:
            raise InvalidRequestError(
                "has a custom_id of its own; give custom_ids or BatchRequest.custom_id", row=count - 1
            )
        name: Any = next(names, end)
        if name is end:
            raise InvalidInputError(f"custom_ids has {count - 1} entries, but there are more requests")
        if name is None:  # inside, None stands for the default id
            raise InvalidRequestError("custom_id must be a non-empty string", row=count - 1)
        yield request._replace(custom_id=name)
    if next(names, end) is not end:
        raise InvalidInputError(f"custom_ids has more entries than there are requests ({count})")
