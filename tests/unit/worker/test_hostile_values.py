"""Whoever can write to the broker or the ledger cannot run code in a worker, nor have it read or fetch."""

from __future__ import annotations

import orjson
import pytest
from kombu.exceptions import ContentDisallowed
from kombu.message import Message

from batchline_shared.broker import TICK_TASK, task_of
from batchline_shared.errors import ProviderAuthError
from batchline_shared.ledger import Stage
from batchline_shared.settings import Settings
from batchline_worker.answer_schema import answer_schema
from batchline_worker.providers.registry import make_provider


@pytest.mark.parametrize(
    "kind", ["application/x-python-serialize", "application/x-yaml", "application/x-msgpack"]
)
def test_a_message_that_could_run_code_is_refused_unread(kind: str) -> None:
    from batchline_worker.app import app  # noqa: PLC0415 - reads settings when it is imported

    message = Message(
        body=b"cos\nsystem\n(S'true'\ntR.",
        content_type=kind,
        content_encoding="binary",
        accept=app.conf.accept_content,
    )

    with pytest.raises(ContentDisallowed):
        message.decode()


def test_no_task_takes_an_argument_from_a_message() -> None:
    from batchline_worker.app import app  # noqa: PLC0415 - as above

    for name in (TICK_TASK, *map(task_of, Stage)):
        with pytest.raises(TypeError):
            app.tasks[name].__header__("anything")
    assert {name for name in app.tasks if name.startswith("batchline.")} == {TICK_TASK, *map(task_of, Stage)}


@pytest.mark.parametrize("address", ["file:///etc/passwd", "http://169.254.169.254/latest/meta-data"])
def test_a_schema_that_points_elsewhere_is_not_followed(address: str) -> None:
    assert answer_schema(orjson.dumps({"$ref": address})) is None


@pytest.mark.parametrize("route", ["os", "batchline_worker.app", "../openai", "openai@http://evil.example"])
def test_a_record_cannot_choose_what_is_imported_or_called(route: str) -> None:
    with pytest.raises(ProviderAuthError, match=r"no such (provider|account)"):
        make_provider(route, Settings())
