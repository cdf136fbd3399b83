"""What a worker's log may hold: ids and counts, and of an error only its class and place."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from batchline_worker.logs import set_up_logs
from batchline_worker.settings import WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Leave logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def start() -> None:
    """Set the logs up in the test itself: its stderr is another one than its fixtures'."""
    set_up_logs(WorkerSettings(log_format="json"))


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_our_events_and_those_of_others_are_json_of_one_form(capsys: pytest.CaptureFixture[str]) -> None:
    start()
    structlog.get_logger("batchline.test").warning("lease_lost", member="1-0")
    logging.getLogger("celery").warning("started %s", "up")

    ours, theirs = lines(capsys)

    assert (ours["event"], ours["member"], ours["level"]) == ("lease_lost", "1-0", "warning")
    assert (theirs["event"], theirs["logger"], theirs["level"]) == ("started up", "celery", "warning")
    assert ours.keys() - {"member"} == theirs.keys()


@pytest.mark.parametrize("ours", [True, False], ids=["our own logger", "another's"])
def test_an_exception_leaves_its_class_and_its_place_and_no_word(
    capsys: pytest.CaptureFixture[str], *, ours: bool
) -> None:
    start()
    logger: Any = structlog.get_logger("batchline.test") if ours else logging.getLogger("celery")
    try:
        int("a prompt")
    except ValueError:
        logger.exception("stage_failed")

    (line,) = lines(capsys)

    assert line["exception"] == "ValueError"
    assert line["at"].startswith("test_logs.py:")
    assert "a prompt" not in json.dumps(line)


@pytest.mark.parametrize("name", ["httpx", "httpcore", "openai", "celery.app.trace"])
def test_what_would_log_every_poll_is_silent(capsys: pytest.CaptureFixture[str], name: str) -> None:
    start()
    logging.getLogger("celery").info("this one shows")
    logging.getLogger(name).info("POST /v1/batches")

    assert [line["event"] for line in lines(capsys)] == ["this one shows"]
