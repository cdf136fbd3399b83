"""The models and conversations that the client's tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from redis import Redis

MODEL = "openai/gpt-4o-mini"


class User(BaseModel):
    """What the answers hold."""

    name: str
    age: int


ANN = '{"name":"Ann","age":28}'
BOB = '{"name":"Bob","age":35}'


def says(text: Any = "Hi, I am Ann and 28.", role: Any = "user") -> list[dict[str, Any]]:
    """One conversation of one message."""
    return [{"role": role, "content": text}]


def keys_left(ledger: Redis) -> list[bytes]:
    """Every key but the ledger's version."""
    found: list[bytes] = ledger.keys("*")  # type: ignore[assignment]  # redis-py types sync and async replies alike
    return sorted(key for key in found if key != b"batchline:schema")
