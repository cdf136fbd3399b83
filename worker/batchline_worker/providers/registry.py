"""Which class speaks to which provider."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from batchline_worker.providers.openai import OpenAIProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batchline_worker.providers.base import Provider

__all__ = ["PROVIDERS"]

PROVIDERS: Mapping[str, Callable[..., Provider]] = MappingProxyType(
    {
        "openai": OpenAIProvider,
    }
)
"""One line for each provider, by its name before the slash in `provider/model`.

Each is called with `create_timeout_s` and reads its key and address from the environment.
"""
