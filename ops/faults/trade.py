"""The providers under test: the names of their calls in the simulator, and the marks of their batches."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from batchline_ops.simulated import SIMULATED

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MARK", "PROVIDERS", "Provider", "mark_of", "provider_of_call"]

MARK: Final = "batchline_shard"

_ROW_ID = re.compile(r"bl-(?P<mark>.+)-\d+")


@dataclass(frozen=True)
class Provider:
    """One provider, as the simulator plays it."""

    name: str
    """As the first part of a model's name."""
    simulated: str
    """As the simulator calls it."""
    create: str
    """The call that costs money."""
    upload: str
    """The call that brings the requests; that of the creation where it bears them itself."""
    results: str
    listing: str
    prefixes: tuple[str, ...]
    """How the names of all its calls begin."""

    @property
    def model(self) -> str:
        """`provider/model-name` to enqueue with."""
        return SIMULATED[self.name].model


PROVIDERS: Final[Mapping[str, Provider]] = MappingProxyType(
    {
        provider.name: provider
        for provider in (
            Provider(
                "openai",
                "openai",
                create="batches.create",
                upload="files.create",
                results="files.content",
                listing="batches.list",
                prefixes=("batches.", "files."),
            ),
            Provider(
                "anthropic",
                "anthropic",
                create="anthropic.batches.create",
                upload="anthropic.batches.create",
                results="anthropic.batches.results",
                listing="anthropic.batches.list",
                prefixes=("anthropic.",),
            ),
            Provider(
                "gemini",
                "gemini",
                create="gemini.batches.create",
                upload="gemini.files.create",
                results="gemini.files.content",
                listing="gemini.batches.list",
                prefixes=("gemini.",),
            ),
            Provider(
                "google",
                "vertex",
                create="vertex.batches.create",
                upload="gcs.objects.create",
                results="gcs.objects.content",
                listing="vertex.batches.list",
                prefixes=("vertex.", "gcs.", "google."),
            ),
        )
    }
)
"""Every provider whose creation, mark or listing differs. Azure and other servers that are like OpenAI are
accounts of `openai`: the same transport, intent, mark and search, at another address."""


def provider_of_call(call: str) -> str:
    """Name the provider that a call of the simulator's log belongs to; empty for none."""
    return next((p.name for p in PROVIDERS.values() if call.startswith(p.prefixes)), "")


def mark_of(batch: Mapping[str, Any]) -> str:
    """Read whose a batch is, from what its provider keeps of it; empty where nothing says so."""
    metadata = batch.get("metadata") or {}
    if MARK in metadata:
        return str(metadata[MARK])
    if batch.get("display_name"):
        return str(batch["display_name"]).removeprefix(f"{MARK}=").partition(";")[0]
    match = _ROW_ID.fullmatch(str(batch.get("first_custom_id") or ""))
    return match["mark"] if match is not None else ""
