"""Having the prompt that a job's requests share cached, where a provider caches only what it is asked to."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from batchline.requests import BatchRequest, check_many
from batchline_shared.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from batchline_shared.dialects.base import Dialect

__all__ = ["PromptCache", "with_marked_prompt"]

PromptCache = Literal["5m", "1h"]
"""How long a cached prompt is kept after it was last read."""

_SAMPLES: Final = 2
"""Requests that are looked at to tell what all share: held until then, so as few as can tell."""


def with_marked_prompt(
    speech: Dialect, template: dict[str, Any], requests: Iterable[Any], prompt_cache: PromptCache | None
) -> tuple[dict[str, Any], Iterable[Any]]:
    """Mark what the first requests share, in the job's template or in each request that begins so.

    Returns:
        The template and the requests, both with marks where they pay.

    Raises:
        InvalidInputError: The provider caches by itself; there is no such time; `requests` is no collection.
    """
    if prompt_cache is None:
        return template, requests
    if prompt_cache not in get_args(PromptCache):
        raise InvalidInputError(f"prompt_cache must be one of {', '.join(get_args(PromptCache))}, or None")
    if speech.prompt_marker is None:
        raise InvalidInputError(
            f"prompt_cache is for Anthropic: {speech.provider} caches by itself what it can; leave it out"
        )
    check_many(requests, "requests must be an iterable of conversations")
    stream = iter(requests)
    first = list(islice(stream, _SAMPLES))
    samples = [one.messages if isinstance(one, BatchRequest) else one for one in first]
    marked = speech.prompt_marker(template, samples, prompt_cache)
    return marked.template, _marked(chain(first, stream), marked.mark)


def _marked(requests: Iterable[Any], mark: Callable[[Any], Any]) -> Iterator[Any]:
    for request in requests:
        if isinstance(request, BatchRequest):
            yield request.model_copy(update={"messages": mark(request.messages)})
        else:
            yield mark(request)
