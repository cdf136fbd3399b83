"""The ledger's Lua scripts, loaded from `lua/`.

A line `--! include NAME` stands for the text of `lua/NAME.lua`. Every script
touches keys of one hash tag only, so the ledger runs on a cluster.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis import Redis
    from redis.commands.core import Script

__all__ = ["Scripts", "source"]

_INCLUDE = "--! include "


@cache
def source(name: str) -> str:
    """The text of one script, includes resolved."""
    text = files("batchline_shared.ledger").joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")
    lines = [
        source(line.removeprefix(_INCLUDE)) if line.startswith(_INCLUDE) else line
        for line in text.splitlines()
    ]
    return "\n".join(lines)


class Scripts:
    """The scripts of one connection pool, called by SHA and sent again when the server has forgotten them."""

    def __init__(self, client: Redis) -> None:  # noqa: PLR0915 - a line for each script
        def script(name: str) -> Script:
            return client.register_script(source(name))

        # The work in progress: tag {p<n>}.
        self.lease = script("lease")
        self.renew = script("renew")
        self.advance = script("advance")
        self.open_job = script("open_job")
        self.wake = script("wake")
        self.plan_shard = script("plan_shard")
        self.cut_shard = script("cut_shard")
        self.plan_done = script("plan_done")
        self.close_shard = script("close_shard")
        self.close_rider = script("close_rider")
        self.close_carrier = script("close_carrier")
        self.join_pool = script("join_pool")
        self.leave_pool = script("leave_pool")
        self.send_back = script("send_back")
        self.reopen_shard = script("reopen_shard")
        self.resolve_shard = script("resolve_shard")
        self.put_off = script("put_off")
        self.set_aside = script("set_aside")
        self.take_up = script("take_up")
        self.close_job = script("close_job")
        self.cancel_work = script("cancel_work")
        self.delete_work = script("delete_work")
        self.drop_timer = script("drop_timer")
        self.note_delivery = script("note_delivery")
        # One job's record, payload and outcomes: tag {<job id>}.
        self.begin_job = script("begin_job")
        self.commit_job = script("commit_job")
        self.abandon_job = script("abandon_job")
        self.land = script("land")
        self.defer = script("defer")
        self.begin_attempt = script("begin_attempt")
        self.make_ready = script("make_ready")
        self.end_planning = script("end_planning")
        self.set_status = script("set_status")
        self.explain = script("explain")
        self.name_rows = script("name_rows")
        self.set_total = script("set_total")
        self.finish_job = script("finish_job")
        self.begin_retry = script("begin_retry")
        self.take_back = script("take_back")
        self.end_retry = script("end_retry")
        self.pass_deadline = script("pass_deadline")
        self.mark_asked = script("mark_asked")
        self.unmark_asked = script("unmark_asked")
        self.begin_delete = script("begin_delete")
        self.delete_job = script("delete_job")
        # Admission to one provider account: tag {r:<route>}.
        self.ask_admission = script("ask_admission")
        self.admission_room = script("admission_room")
        self.give_back = script("give_back")
        self.learn_limit = script("learn_limit")
        self.refine_estimate = script("refine_estimate")
        self.pause_route = script("pause_route")
        self.count_failure = script("count_failure")
        # Live calls to one provider account: the same tag.
        self.take_live = script("take_live")
        self.pause_live = script("pause_live")
        # Keys that stand alone.
        self.claim = script("claim")
        self.unclaim = script("unclaim")
