"""Result files as bytes: how they reach a worker, whose they are, and what tears on the way.

What a test puts here goes through the splitter that the real transports use, and fails as they do.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from batchline_shared.errors import ProviderUnavailableError
from batchline_worker.providers.base import BROKEN_OFF
from batchline_worker.providers.jsonl import TruncatedError, complete_lines
from result_readers import PROVIDERS
from scripted_provider import ScriptedProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batchline_worker.providers.base import RemoteBatch
    from result_lines import Line

__all__ = ["TARGETS", "Download", "DownloadProvider", "Target"]


class Target(NamedTuple):
    """An endpoint of a provider, and lines that its reader knows."""

    model: str
    endpoint: str
    id_field: str
    lines: list[Line]

    @property
    def provider(self) -> str:
        return self.model.partition("/")[0]


def _target(model: str, endpoint: str, reader: str) -> Target:
    return Target(model, endpoint, PROVIDERS[reader].id_field, PROVIDERS[reader].lines)


TARGETS = {
    "chat": _target("openai/gpt-4o-mini", "/v1/chat/completions", "openai"),
    "responses": _target("openai/gpt-4o-mini", "/v1/responses", "openai"),
    "embeddings": _target("openai/text-embedding-3-small", "/v1/embeddings", "openai"),
    "anthropic": _target("anthropic/claude-sonnet-4-5", "/v1/messages", "anthropic"),
    "vertex": _target("google/gemini-2.5-flash", "/generateContent", "vertex"),
    "gemini": _target("gemini/gemini-2.5-flash", "/generateContent", "gemini"),
}


@dataclass(frozen=True)
class Download:
    """What one reading of a batch's results gets."""

    content: bytes
    piece_bytes: int = 1 << 16
    broken: bool = False
    """Whether the connection breaks behind the content; if not, it ends as if that were all."""
    meanwhile: Callable[[], object] | None = None
    """Runs before line `meanwhile_at` is given out: what others do at that moment."""
    meanwhile_at: int = 0

    def pieces(self) -> Iterator[bytes]:
        for at in range(0, len(self.content), self.piece_bytes):
            yield self.content[at : at + self.piece_bytes]
        if self.broken:
            raise ProviderUnavailableError("scripted", "connection reset")


@dataclass
class DownloadProvider(ScriptedProvider):
    """A provider that gives out `downloads`, one for each reading, and the last one ever again."""

    downloads: deque[Download] = field(default_factory=deque)

    def lines(self, batch: RemoteBatch) -> Iterator[bytes]:
        self.calls["lines"] += 1
        download = self.downloads.popleft() if len(self.downloads) > 1 else self.downloads[0]
        try:
            for number, line in enumerate(complete_lines(download.pieces())):
                if download.meanwhile is not None and number == download.meanwhile_at:
                    download.meanwhile()
                yield line
        except TruncatedError as error:
            message = f"the results of {batch.id} broke off: {error}"
            raise ProviderUnavailableError(self.name, message, code=BROKEN_OFF) from None
