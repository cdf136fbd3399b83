"""The worker's app, with a soft shutdown shorter than a slow upload: `celery -A faults.hurried_app`."""

from batchline_worker.app import app

__all__ = ["app"]

app.conf.worker_soft_shutdown_timeout = 1
