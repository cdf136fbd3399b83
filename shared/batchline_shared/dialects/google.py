"""Vertex AI's batches of Gemini models: `{"custom_id", "request"}`, loaded as a table.

The id is a flat text with a prefix: an object beside `request` fails the whole
job, and text that looks like a number comes back as one.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import orjson

from batchline_shared.dialects.answers import text_id
from batchline_shared.dialects.base import Limits
from batchline_shared.dialects.google_lines import GoogleLines
from batchline_shared.dialects.google_options import CONFIG
from batchline_shared.dialects.vertex_columns import check_loadable
from batchline_shared.schemas import vertex_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import BaseModel

    from batchline_shared.accounts import Account
    from batchline_shared.dialects.base import Dialect, FileLine

__all__ = ["DIALECTS", "VertexLines"]


_ID_FIELDS: Final = ("custom_id", "key", "id")
"""What most scripts call it, in the order in which they are asked for."""

_OWN_FIELDS: Final = frozenset({"request", "response", "status", "processed_time", "error"})
"""Fields of a result line that are Vertex AI's own."""


class VertexLines(GoogleLines):
    """The dialect of `google/…`; see `Dialect`."""

    provider = "google"
    id_field = "custom_id"
    one_template = True
    # Vertex AI's batch prediction guide, read 2026-09: 200,000 requests, 1 GB.
    most = Limits(max_requests=200_000, max_bytes=1_000_000_000)
    reserved = MappingProxyType({"cachedContent": "Vertex AI's batches do not take explicit caches"})
    foreign = MappingProxyType({"body": "openai", "params": "anthropic", "key": "gemini"})

    def schema(self, response_model: type[BaseModel]) -> dict[str, Any]:
        """See `GoogleLines`."""
        return vertex_schema(response_model)

    def check_fields(self, fields: Mapping[str, Any]) -> None:
        """See `GoogleLines`. One row that cannot be loaded would fail the whole job."""
        for name, value in fields.items():
            check_loadable(value, name, level=2)

    def read_line(self, line: Mapping[str, Any], model_name: str) -> FileLine:
        """See `Dialect`. Two schemas in one table would be two types of one column."""
        read = super().read_line(line, model_name)
        config = read.common.get(CONFIG, {})
        return read._replace(schema=config.get("responseSchema", config.get("responseJsonSchema")))

    def foreign_id(self, line: Mapping[str, Any]) -> str | None:
        """See `Dialect`. Any flat field beside the request is one; scripts call theirs as they like."""
        beside = [name for name in line if name not in _OWN_FIELDS]
        found = (text_id(line.get(name)) for name in (*_ID_FIELDS, *beside))
        return next((value for value in found if value is not None), None)

    def kept(self, line: dict[str, Any], raw: bytes) -> bytes:
        """See `Dialect`. Vertex AI echoes the request, padded with nulls; the rest is kept."""
        if "request" not in line:
            return raw
        try:
            return orjson.dumps({name: value for name, value in line.items() if name != "request"})
        except TypeError:  # orjson reads deeper than it writes: rather the echo than no line
            return raw


DIALECTS: Final[Mapping[str, Callable[[Account], Dialect]]] = {VertexLines.endpoint: VertexLines}
"""Endpoint → its dialect; the first is the default."""
