"""How a line of a batch's input is read: for the run that answers it, and for the upstream server."""

import orjson

from batchline_simulator.core.trade import Desk, Relay, Row
from batchline_simulator.upstream import Request, chat_request


def row_of(desk: Desk, line: bytes, fault: str | None = None) -> Row:
    """Read a request; `fault` may forge the id that its result shows."""
    custom_id, whole, body = desk.read(line)
    shown = {"foreign_custom_id": f"foreign-{custom_id}", "missing_custom_id": None}
    return Row(custom_id, whole, body, orjson.dumps(body), shown.get(fault or "", custom_id))


def upstream_request(desk: Desk, line: bytes) -> Request | None:
    """Say what a line asks of the upstream server; None where the provider would refuse it anyway."""
    row = row_of(desk, line)
    if isinstance(desk, Relay):
        return desk.forwarded(row)
    return None if desk.rejection(row) is not None else chat_request(desk.question(row))
