"""Vertex AI's batch prediction jobs for Gemini models."""

from batchline_simulator.google.vertex.service import VertexService

__all__ = ["VertexService"]
