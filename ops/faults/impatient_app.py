"""The worker's app on a broker that delivers again what took a second. `celery -A faults.impatient_app`."""

from batchline_worker.app import app

__all__ = ["app"]

app.conf.broker_transport_options = {**app.conf.broker_transport_options, "visibility_timeout": 1}
