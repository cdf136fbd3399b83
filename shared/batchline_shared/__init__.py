"""The contract between Batchline's client and its workers.

Models, wire formats, schema dialects, the ledger and its Lua, settings and
errors. It imports neither a provider's SDK nor Celery.
"""
