"""Google's side: Cloud Storage, Vertex AI, the Gemini API, and the tokens for the first two."""

from batchline_simulator.google.services import google_services

__all__ = ["google_services"]
