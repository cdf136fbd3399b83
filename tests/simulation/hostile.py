"""A Redis client that loses calls and makes them twice, and a provider that does whatever providers do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import fakeredis
import orjson
from redis.exceptions import ConnectionError as RedisConnectionError

from batchline_shared.errors import ProviderBusyError, ProviderRejectedError
from batchline_worker.providers.base import BatchPhase, LineError
from scripted_provider import ScriptedProvider, answer_line, error_line, lost_reply
from simulation.disk import LIFE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from batchline_worker.providers.base import LiveCall, RemoteBatch
    from simulation.clockwork import Stage
    from simulation.disk import Disk

__all__ = ["HostileProvider", "HostileRedis"]

_CALL_LIMIT_S = 60.0
"""When a transport gives up waiting for the provider's answer."""

_LAG_S = 20.0
"""How long lists may lag: with the limit above, less than the quiet period before a batch is looked for."""


class HostileRedis(fakeredis.FakeRedis):
    """What one process sees of the server."""

    def hurt(self, stage: Stage, disk: Disk, share: float) -> HostileRedis:
        """Lose or double this share of the calls, and what `disk` loses."""
        self._stage, self._disk, self._share = stage, disk, share
        return self

    def register_script(self, script: str | bytes) -> Any:
        """As a server that tells of its lives."""
        told = f"'run_id:' .. redis.call('GET', '{LIFE}')"
        return super().register_script(str(script).replace("redis.pcall('INFO', 'server')", told))

    def execute_command(self, *args: Any, **options: Any) -> Any:
        if not hasattr(self, "_stage"):
            return super().execute_command(*args, **options)
        call = super().execute_command
        return self._call(lambda: call(*args, **options))

    def pipeline(self, *args: Any, **options: Any) -> Any:
        made: Any = super().pipeline(*args, **options)
        execute = made.execute

        def call(*more: Any, **others: Any) -> Any:
            commands = list(made.command_stack)
            waits = bool(commands) and commands[-1][0][0] == "WAITAOF"

            def act() -> Any:
                made.command_stack = commands[:-1] if waits else list(commands)
                replies = execute(*more, **others)
                if waits:
                    self._disk.sync()
                    replies.append([1, 0])
                return replies

            return self._call(act)

        made.execute = call
        return made

    def _call(self, act: Callable[[], Any]) -> Any:
        self._stage.point()
        self._disk.sync_if_due()
        luck = 1.0 if self._stage.is_quiet else self._stage.dice.random()
        if luck < self._share / 3:
            raise RedisConnectionError("lost before")
        result, life = act(), self._disk.lives
        if luck < self._share:
            # As redis-py does after a lost reply.
            result = act()
            if luck < self._share * 2 / 3:
                raise RedisConnectionError("lost after")
        self._stage.point()
        if life != self._disk.lives:
            # The reply was on its way when the power went.
            if self._stage.dice.random() < 0.5:
                raise RedisConnectionError("another life")
            result = act()
        return result


@dataclass
class HostileProvider(ScriptedProvider):
    """Calls are slow, refused or lost; lists lag; batches fail, expire, miss lines; rows fail or misfit."""

    stage: Stage = field(kw_only=True)
    lag: float = 0.0
    """Share of new batches that lists do not show for a while."""
    failing: float = 0.0
    """Share of rows that end in an error."""
    misfits: float = 0.0
    """Share of structured answers that do not fit."""
    paid: Counter[tuple[str, int]] = field(default_factory=Counter)
    """First text and number of messages of a request → answers given to it."""
    ran: Counter[tuple[str, int]] = field(default_factory=Counter)
    """The same → how often it ran, answered or not."""
    hidden: dict[str, float] = field(default_factory=dict)
    """Batch → when lists begin to show it, by the play's clock."""

    def _call(self, name: str, act: Callable[[], Any]) -> Any:
        self.calls[name] += 1
        if self.stage.is_quiet:
            return self._done(act)
        dice, since_s = self.stage.dice, self.stage.clock.now_s
        self.stage.point()
        luck = dice.random()
        if luck < 0.04 or self._is_late(since_s):
            raise lost_reply()
        if luck < 0.08 and name in {"create", "upload", "ask"}:
            wait_s = dice.choice([1, 30])
            raise ProviderBusyError(self.name, "slow down", retry_after_s=wait_s, status_code=429)
        result = self._done(act)
        if name == "create" and dice.random() < self.lag:
            self.hidden[result.id] = self.stage.clock.now_s + _LAG_S
        self.stage.point()
        if dice.random() < 0.08 or self._is_late(since_s):
            raise lost_reply()
        return result

    def _done(self, act: Callable[[], Any]) -> Any:
        self.unlisted = {batch for batch, until_s in self.hidden.items() if self.stage.clock.now_s < until_s}
        return act()

    def _is_late(self, since_s: float) -> bool:
        return self.stage.clock.now_s - since_s > _CALL_LIMIT_S

    def lines(self, batch: RemoteBatch) -> Iterator[bytes]:
        lines = list(super().lines(batch))
        if not self.stage.is_quiet and self.stage.dice.random() < 0.1:
            del lines[-1:]  # not all of them are there yet
        for line in lines:
            self.stage.point()
            if not self.stage.is_quiet and self.stage.dice.random() < 0.03:
                raise lost_reply()
            yield line

    def poll(self, batch_id: str) -> RemoteBatch:
        if not self.stage.is_quiet and self.stage.dice.random() < 0.05:
            raise ProviderRejectedError(self.name, f"no batch {batch_id}", status_code=404)
        return super().poll(batch_id)

    def poll_many(self, batch_ids: Collection[str]) -> dict[str, RemoteBatch]:
        found = super().poll_many(batch_ids)
        if not self.stage.is_quiet and self.stage.dice.random() < 0.1:
            found.pop(self.stage.dice.choice(list(batch_ids)), None)
        return found

    def ask(self, call: LiveCall) -> bytes:
        answered: bytes = self._call("ask", lambda: self._answered(orjson.loads(call.line)))
        return answered

    def end_some(self, batch_id: str, phase: BatchPhase, share: float) -> None:
        """End a batch after it has run a share of its requests."""
        dice = self.stage.dice
        asked = map(orjson.loads, self.inputs[batch_id].splitlines())
        lines = [self._answered(one) for one in asked if dice.random() < share]
        if phase is BatchPhase.COMPLETED:
            lines = [line for line in lines if dice.random() > 0.02 or b'"status_code":200' in line]
        dice.shuffle(lines)
        self.results[batch_id] = lines
        known = {"status": str(phase), "completed": len(lines), "result_files": ("out",)}
        self.batches[batch_id] = replace(self.batches[batch_id], phase=phase, **known)

    def happen(self) -> None:
        """Let something become of one of the batches."""
        dice, running = self.stage.dice, self.running()
        if not running:
            return
        batch = self.batches[dice.choice(running)]
        luck = dice.random()
        if batch.phase is BatchPhase.CANCELLING:
            self.end_some(batch.id, BatchPhase.CANCELLED, dice.choice([0.0, 0.5, 1.0]))
        elif luck < 0.15:
            self.end_some(batch.id, BatchPhase.EXPIRED, dice.choice([0.0, 0.5]))
        elif luck < 0.25 and self.takes_files:
            self.refuse(batch.id, self._reason(self.inputs[batch.id].count(b"\n")))
        else:
            self.end_some(batch.id, BatchPhase.COMPLETED, 1.0)

    def rest(self) -> None:
        """End all that runs."""
        for batch in list(self.batches.values()):
            if batch.phase is BatchPhase.CANCELLING:
                self.end_some(batch.id, BatchPhase.CANCELLED, self.stage.dice.choice([0.0, 0.5, 1.0]))
            elif not batch.phase.is_final:
                self.end_some(batch.id, BatchPhase.COMPLETED, 1.0)

    def batches_of(self, shard: str) -> list[str]:
        """Those that run requests of a shard, by what stands in them, and may have run some."""
        return [
            batch.id
            for batch in self.batches.values()
            if not batch.ran_nothing
            and any(one.rpartition("-")[0] == f"bl-{shard}" for one in self.wire_ids(batch.id))
        ]

    def _reason(self, rows: int) -> LineError:
        return self.stage.dice.choice(
            [
                LineError(self.stage.dice.randrange(rows) + 1, "invalid_value", "not like this", None),
                LineError(None, "token_limit_exceeded", "no room", None),
                LineError(None, "invalid_value", "cannot find the file", "file_id"),
            ]
        )

    def _answered(self, request: dict[str, Any]) -> bytes:
        wire_id, messages = request["custom_id"], request["body"]["messages"]
        asked = (str(messages[0]["content"]), len(messages))
        self.ran[asked] += 1
        if self.stage.dice.random() < self.failing and self.ran[asked] < 20:
            return error_line(wire_id, self.stage.dice.choice([400, 429, 500, 500]))
        self.paid[asked] += 1
        if "response_format" not in request["body"]:
            return answer_line(wire_id)
        fits = self.stage.dice.random() >= self.misfits
        return answer_line(wire_id, '{"name":"x","size":2}' if fits else '{"name":1}')
