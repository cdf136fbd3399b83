"""The workers: a Celery app whose tasks lease due work from the ledger and do it."""
