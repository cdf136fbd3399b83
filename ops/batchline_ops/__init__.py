"""Batchline."""
