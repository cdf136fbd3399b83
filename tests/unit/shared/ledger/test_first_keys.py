"""The keys that a ledger begins with are there, whatever happens as they are written."""

from __future__ import annotations

from typing import Any

import fakeredis

from batchline_shared.ledger import keys, ledger_id
from batchline_shared.ledger.connection import check_schema


class LosesPower(fakeredis.FakeRedis):
    """What is written first is gone when it is looked at."""

    def set(self, name: Any, *args: Any, **options: Any) -> Any:
        written = super().set(name, *args, **options)
        if not self.exists(b"lost " + name.encode()):
            self.delete(name)
            super().set(b"lost " + name.encode(), 1)
        return written


def test_the_version_is_written_again_by_whom_the_power_took_it_from() -> None:
    server = LosesPower()

    check_schema(server)

    assert server.get(keys.SCHEMA) == str(keys.SCHEMA_VERSION).encode()


def test_so_is_the_ledgers_id_and_all_see_the_same() -> None:
    server = LosesPower()

    assert ledger_id(server) == ledger_id(server)
