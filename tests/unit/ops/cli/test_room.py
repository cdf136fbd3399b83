"""`batch room`: what an account holds, for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchline_shared.ledger import Admission
from batchline_shared.limits import Budgets

if TYPE_CHECKING:
    from unit.ops.cli.conftest import Cli


def ask(cli: Cli, shard: str) -> None:
    limits = Budgets(model_tokens=1500, batches=7)
    Admission(cli.client().connection.redis).ask(
        "openai", "gpt-4.1-mini", shard, tokens=1000, requests=3, weight=1, flow=shard, limits=limits
    )


def test_room_shows_what_is_held_of_every_limit_and_who_waits(cli: Cli) -> None:
    ask(cli, "held")
    ask(cli, "waits")

    shown = [" ".join(line.split()) for line in cli("batch", "room").out.splitlines()]
    found = cli("batch", "room", "--json").json

    assert shown == [
        "Account Model Tokens Requests Batches Waiting Note",
        "openai 3 1 of 7",
        "gpt-4.1-mini 1,000 of 1,500 3 1",
    ]
    assert list(found) == ["openai"]
    assert found["openai"]["batches"] == {"used": 1, "limit": 7}
    assert found["openai"]["models"]["gpt-4.1-mini"]["waiting"] == 1


def test_room_tells_of_an_account_that_was_stopped(cli: Cli) -> None:
    ask(cli, "held")
    room = Admission(cli.client().connection.redis)
    for _ in range(3):
        room.failed("openai")

    assert "stopped for 30 s after 3 failures" in " ".join(cli("batch", "room").out.split())


def test_room_of_nothing_says_so(cli: Cli) -> None:
    assert "No batch has been asked for yet." in cli("batch", "room").err
    assert cli("batch", "room", "--json").json == {}
