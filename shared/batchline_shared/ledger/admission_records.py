"""What admission answers (`admission.Admission`), as typed values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

__all__ = ["Admitted", "Holder", "ModelRoom", "Reason", "RouteRoom", "TooLarge", "Use", "Wait"]


class Reason(StrEnum):
    """Why a shard waits: what the next one of its model would need."""

    TOKENS = "tokens"
    """Room among the enqueued tokens of its model."""
    REQUESTS = "requests"
    """Room among the enqueued requests of its model or account."""
    BATCHES = "batches"
    """The end of another batch of the account."""
    CREATIONS = "creations"
    """The hour's creations are used up."""
    REFUSED = "refused"
    """The provider has refused one of its model although there seemed to be room."""
    PAUSED = "paused"
    """The account is paused."""
    OUTAGE = "outage"
    """The provider fails, or is being tried out by one shard."""
    TURN = "turn"
    """Only its turn: a great many were admitted at once, and the rest come with the next call."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """The shard has its share of the room, until it is given back."""

    wake: tuple[str, ...] = ()
    """Others that this call has admitted, or found too large: let them ask now."""


@dataclass(frozen=True, slots=True)
class Wait:
    """The shard is in the queue, or is admitted and must not go ahead now."""

    position: int
    """How many of its model are ahead of it; also 0 where it is admitted and the account stands still."""
    reason: Reason
    again_in_s: float | None
    """Seconds until asking again may help, where that is known; else it is woken, or asks now and then."""
    wake: tuple[str, ...] = ()
    """Others that this call has admitted, or found too large: let them ask now."""


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The shard alone exceeds a limit, and is not in the queue. Cut it, and let the pieces ask."""

    limit_tokens: int | None
    """As the caller estimates, before any correction; None: there is no limit of tokens."""
    limit_requests: int | None


class Holder(NamedTuple):
    """A shard that is admitted."""

    shard_id: str
    since_ms: int
    """The ledger's clock."""


class Use(NamedTuple):
    """How much of something is used, and how much there is."""

    used: int
    limit: int | None
    """None: there is no limit."""


class ModelRoom(NamedTuple):
    """One model's room."""

    tokens: Use
    """Corrected estimates."""
    requests: Use
    waiting: int
    """Shards in the queue."""
    refused_s: float
    """Seconds for which the model still waits after a refusal; 0: it does not."""
    factor: float
    """What estimates of tokens are multiplied with."""


class RouteRoom(NamedTuple):
    """One account's room, for gauges and people."""

    requests: Use
    """Of all models together, as all that is not in `models`."""
    batches: Use
    creations: Use
    """Within the last hour; counted only where there is a limit."""
    paused_s: float
    stopped_s: float
    """Seconds until the provider is tried again after failures in a row; 0: it is not stopped, or due."""
    failures: int
    """Failures in a row."""
    models: dict[str, ModelRoom]
    """Those that anything has asked for."""

    @classmethod
    def read(cls, reply: list[Any]) -> RouteRoom:
        """Read what `admission_room.lua` returns."""
        requests, batches, creations = (_use(*reply[at : at + 2]) for at in (0, 2, 4))
        paused_ms, stopped_ms, failures = map(int, reply[6:9])
        models = dict(map(_model, reply[9:]))
        return cls(requests, batches, creations, paused_ms / 1000, stopped_ms / 1000, failures, models)


def _model(reply: list[bytes]) -> tuple[str, ModelRoom]:
    name, tokens, most_tokens, requests, most_requests, waiting, refused_ms, factor = reply
    room = ModelRoom(
        _use(tokens, most_tokens),
        _use(requests, most_requests),
        int(waiting),
        int(refused_ms) / 1000,
        float(factor),
    )
    return name.decode(), room


def _use(used: bytes, limit: bytes) -> Use:
    return Use(int(used), None if limit == b"-" else int(limit))
