"""The same deterministic work for every side: models, conversations and result files.

Imported by Batchline's interpreter and by Instructor's, so it knows neither.
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "MODEL",
    "MODELS",
    "Address",
    "Item",
    "Order",
    "User",
    "answer",
    "conversations",
    "write_results",
]

MODEL = "gpt-4.1-mini"

_WORDS = [
    "amber",
    "basil",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "harbor",
    "indigo",
    "jasper",
    "kelp",
    "lumen",
    "maple",
    "nectar",
    "onyx",
    "pebble",
    "quartz",
    "river",
    "sable",
    "timber",
    "umber",
    "velvet",
    "willow",
    "yarrow",
    "zephyr",
]
_MESSAGE_CHARS = 270
_TEXT_WORDS = 200_000
_SEED = 20_261

_BEYOND_ASCII_EVERY = 10
"""One conversation in ten holds text beyond ASCII, as English text does with its names and quotes."""


class User(BaseModel):
    """The model with two fields."""

    name: str
    age: int


class Address(BaseModel):
    """A part of `Order`."""

    street: str
    city: str
    postcode: str
    country: Literal["AT", "CH", "DE", "FR", "IT"]


class Item(BaseModel):
    """A part of `Order`."""

    sku: str
    title: str
    quantity: int
    price: float
    tags: list[str]


class Order(BaseModel):
    """The model with ten fields, some of them nested."""

    number: str
    customer: User
    shipping: Address
    billing: Address
    items: list[Item]
    total: float
    currency: Literal["CHF", "EUR", "USD"]
    paid: bool
    priority: Literal["low", "normal", "high"]
    note: str | None


MODELS: dict[str, type[BaseModel]] = {"2 fields": User, "10 nested fields": Order}
"""The two models of every comparison, by the name that the table gives them."""


def conversations(rows: int) -> list[list[dict[str, Any]]]:
    """Make conversations of two messages, about 380 bytes of JSON each.

    Cheap, because it is a part of both sides' cost: each is a piece of one long text.
    """
    text = " ".join(random.Random(_SEED).choices(_WORDS, k=_TEXT_WORDS))
    last = len(text) - _MESSAGE_CHARS
    return [
        [
            {"role": "system", "content": "Extract the data from the text."},
            {
                "role": "user",
                "content": _record(row) + text[(start := row * 271 % last) : start + _MESSAGE_CHARS],
            },
        ]
        for row in range(rows)
    ]


def answer(model: type[BaseModel], row: int) -> dict[str, Any]:
    """Make a valid answer for a model, the same for the same row."""
    word = _WORDS[row % len(_WORDS)]
    user = {"name": f"{word} {row}", "age": row % 90}
    if model is User:
        return user
    address = {"street": f"{word} road {row % 200}", "city": word, "postcode": f"{row:05d}", "country": "CH"}
    item = {"sku": f"sku-{row}", "title": word, "quantity": row % 9, "price": row / 8, "tags": [word, "new"]}
    return {
        "number": f"order-{row}",
        "customer": user,
        "shipping": address,
        "billing": {**address, "country": "DE"},
        "items": [item, {**item, "sku": f"other-{row}"}],
        "total": row / 4,
        "currency": "CHF",
        "paid": row % 2 == 0,
        "priority": "normal",
        "note": None if row % 3 else f"see {word}",
    }


def write_results(path: Path, model: type[BaseModel], rows: int) -> None:
    """Write a result file in OpenAI's form, spacing and escapes included."""
    with path.open("w", encoding="ascii") as target:
        target.writelines(json.dumps(line) + "\n" for line in _result_lines(model, rows))


def _result_lines(model: type[BaseModel], rows: int) -> Iterator[dict[str, Any]]:
    for row in range(rows):
        content = json.dumps(answer(model, row), ensure_ascii=False, separators=(",", ":"))
        body = {
            "id": f"chatcmpl-{row:029d}",
            "object": "chat.completion",
            "created": 1_750_000_000 + row,
            "model": f"{MODEL}-2025-04-14",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": content, "refusal": None, "annotations": []},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": {
                "prompt_tokens": 120,
                "completion_tokens": len(content) // 4,
                "total_tokens": 120 + len(content) // 4,
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                "completion_tokens_details": {
                    "reasoning_tokens": 0,
                    "audio_tokens": 0,
                    "accepted_prediction_tokens": 0,
                    "rejected_prediction_tokens": 0,
                },
            },
            "service_tier": "default",
            "system_fingerprint": "fp_0123456789",
        }
        yield {
            "id": f"batch_req_{row:032x}",
            "custom_id": f"request-{row}",
            "response": {"status_code": 200, "request_id": f"{row:032x}", "body": body},
            "error": None,
        }


def _record(row: int) -> str:
    return f"Record {row}: " if row % _BEYOND_ASCII_EVERY else f"Datensatz für “{row}”: "
