"""Flower's configuration: `celery -A batchline_worker.app flower --conf=<this file>`.

Flower executes this file and takes every name that is one of its options. It
reads the environment (`FLOWER_…`) and the command line before, and the command
line once more after: what they say about addresses and passwords is known here.
"""

from __future__ import annotations

import sys

from prometheus_client import REGISTRY
from tornado.options import options

from batchline_ops.flower.collector import LedgerCollector, ledger_overview
from batchline_ops.flower.lockdown import close_api, protect_metrics, strip_stored_events
from batchline_ops.flower.protection import DEFAULT_ADDRESS, FlowerRefusedError, require_protection
from batchline_ops.flower.redaction import redact_task

address = options.address or DEFAULT_ADDRESS
"""Where to listen. Anything but the loopback interface needs `FLOWER_BASIC_AUTH=user:password`."""

read_only = True
"""No buttons that stop workers or change queues."""

max_tasks = 5_000
"""Tasks kept in memory, about 5 kB each. Flower's own default of 100,000 is half a gigabyte."""

purge_offline_workers = 300
"""Seconds until a worker that is gone disappears: every restart has a new name somewhere."""

format_task = redact_task
"""Shows no arguments and no results."""

try:
    require_protection(
        address, basic_auth=options.basic_auth, oauth=options.auth, unix_socket=options.unix_socket or None
    )
except FlowerRefusedError as refusal:
    sys.exit(str(refusal))

close_api()
protect_metrics()
strip_stored_events()
REGISTRY.register(LedgerCollector(ledger_overview))
