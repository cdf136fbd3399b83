"""What a provider is asked to answer with, made from the user's Pydantic model.

One module for each provider's dialect of JSON schema; a model that a provider
would refuse is refused here, before anything is enqueued.
"""

from batchline_shared.schemas.anthropic_output import anthropic_schema
from batchline_shared.schemas.anthropic_tool import anthropic_tool_schema
from batchline_shared.schemas.google_openapi import gemini_schema
from batchline_shared.schemas.openai_strict import schema_name, strict_schema
from batchline_shared.schemas.vertex_import import vertex_schema

__all__ = [
    "anthropic_schema",
    "anthropic_tool_schema",
    "gemini_schema",
    "schema_name",
    "strict_schema",
    "vertex_schema",
]
