"""What a provider is asked to answer with, made from the user's Pydantic model.

One module for each provider's dialect of JSON schema; a model that a provider
would refuse is refused here, before anything is enqueued.
"""

from batchline_shared.schemas.openai_strict import schema_name, strict_schema

__all__ = ["schema_name", "strict_schema"]
