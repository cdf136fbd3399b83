"""The Gemini Developer API's batches, in file mode: `{"key", "request"}`.

Each line is read by itself, but one that is malformed makes the creation fail.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from batchline_shared.dialects.base import Limits
from batchline_shared.dialects.google_lines import GoogleLines
from batchline_shared.schemas import gemini_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import BaseModel

    from batchline_shared.accounts import Account
    from batchline_shared.dialects.base import Dialect

__all__ = ["DIALECTS", "GeminiLines"]


class GeminiLines(GoogleLines):
    """The dialect of `gemini/…`; see `Dialect`."""

    provider = "gemini"
    id_field = "key"
    one_template = False
    # The Gemini API's batch guide, read 2026-09: 2 GB. It names no number of requests; ours is Vertex AI's.
    most = Limits(max_requests=200_000, max_bytes=2_000_000_000)
    reserved = MappingProxyType(
        {
            "labels": "the Gemini API has none",
            "modelArmorConfig": "the Gemini API has none",
        }
    )
    foreign = MappingProxyType({"body": "openai", "params": "anthropic", "custom_id": "google"})

    def schema(self, response_model: type[BaseModel]) -> dict[str, Any]:
        """See `GoogleLines`."""
        return gemini_schema(response_model)


DIALECTS: Final[Mapping[str, Callable[[Account], Dialect]]] = {GeminiLines.endpoint: GeminiLines}
"""Endpoint → its dialect; the first is the default."""
