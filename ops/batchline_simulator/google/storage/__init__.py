"""Cloud Storage's JSON API, as far as batches need it."""

from batchline_simulator.google.storage.access import Storage, open_storage
from batchline_simulator.google.storage.routes import storage_routes

__all__ = ["Storage", "open_storage", "storage_routes"]
