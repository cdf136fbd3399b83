"""Whether the process of this container still does its work: exit code 0 or 1, and one line.

healthcheck.py worker                 answers a ping through the broker
healthcheck.py beat FILE              has written its schedule lately
healthcheck.py http URL               answers below 500
"""

# ruff: noqa: INP001 - a script of the image, in no package

from __future__ import annotations

import glob
import os
import socket
import sys
import time
import urllib.error
import urllib.request

MAX_SCHEDULE_AGE_S = 600
"""Beat writes its schedule every three minutes; thrice that means that it hangs."""

PING_TIMEOUT_S = 10.0
HTTP_TIMEOUT_S = 5.0
SERVER_ERROR = 500


def worker(app: str = "batchline_worker.app") -> str | None:
    """Ping this container's own worker through the broker; it answers from its main loop."""
    from celery.app.utils import find_app  # noqa: PLC0415 - the other checks do without Celery

    name = f"celery@{socket.gethostname()}"
    if find_app(app).control.ping(destination=[name], timeout=PING_TIMEOUT_S):
        return None
    return f"{name} did not answer within {PING_TIMEOUT_S:g} s"


def beat(schedule: str) -> str | None:
    """Look at the age of the schedule. The database behind it may add an ending to the name."""
    ages = [time.time() - os.path.getmtime(path) for path in glob.glob(glob.escape(schedule) + "*")]  # noqa: PTH204, PTH207
    if not ages:
        return f"no schedule at {schedule}"
    if min(ages) > MAX_SCHEDULE_AGE_S:
        return f"{schedule} was last written {min(ages):.0f} s ago"
    return None


def http(url: str) -> str | None:
    """Ask for a page."""
    try:
        with urllib.request.urlopen(url, timeout=HTTP_TIMEOUT_S):  # noqa: S310 - our own URL
            return None
    except urllib.error.HTTPError as error:
        error.close()
        return None if error.code < SERVER_ERROR else f"{url} answered {error.code}"
    except OSError as error:
        return f"{url} did not answer: {error}"


def main(arguments: list[str]) -> int:
    """Run one check."""
    checks = {"worker": worker, "beat": beat, "http": http}
    try:
        problem = checks[arguments[0]](*arguments[1:])
    except (IndexError, KeyError, TypeError):
        problem = (__doc__ or "").strip()
    except Exception as error:  # noqa: BLE001 - a broker that cannot be reached has many names
        problem = f"{type(error).__name__}: {error}"
    sys.stdout.write(f"{problem or 'healthy'}\n")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
