"""What a provider's id of a batch looks like: it becomes a part of addresses, so it may hold nothing else."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from batchline_shared.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["check_batch_id"]

_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,255}")
"""OpenAI's `batch_…` and Anthropic's `msgbatch_…`; servers like OpenAI have ids of their own form."""

_FORMS: Final[Mapping[str, tuple[re.Pattern[str], str]]] = MappingProxyType(
    {
        "google": (
            re.compile(r"projects/[A-Za-z0-9:._-]+/locations/[a-z0-9-]+/batchPredictionJobs/\d+"),
            "the job's full name, projects/…/locations/…/batchPredictionJobs/…",
        ),
        "gemini": (re.compile(r"batches/[A-Za-z0-9_-]+"), "the batch's name, batches/…"),
    }
)


def check_batch_id(provider: str, batch_id: object) -> str:
    """Return a batch's id as it was given.

    Raises:
        InvalidInputError: It is none of this provider; says what one looks like.
    """
    form, words = _FORMS.get(provider, (_PLAIN, "the batch's id, as the provider gave it"))
    if not isinstance(batch_id, str) or form.fullmatch(batch_id) is None:
        raise InvalidInputError(f"{batch_id!r} is no batch of {provider}: give {words}")
    return batch_id
