"""What a user may have written reaches neither Flower's memory nor its pages."""

from __future__ import annotations

from types import SimpleNamespace

from batchline_ops.flower.redaction import REDACTED, redact_task, strip_event


def test_an_event_loses_arguments_results_and_the_words_of_exceptions() -> None:
    event = {
        "type": "task-failed",
        "uuid": "u-1",
        "args": "('secret',)",
        "kwargs": "{'prompt': 'secret'}",
        "result": "'secret'",
        "exception": "ValueError('secret')",
        "traceback": "ValueError: secret",
    }

    stripped = strip_event(event)

    assert "secret" not in str(stripped)
    assert stripped["uuid"] == "u-1"
    assert stripped["exception"] == "ValueError(…)"
    assert "secret" in event["args"], "the event itself is Celery's"


def test_an_exception_that_has_no_class_in_front_is_blanked_whole() -> None:
    assert strip_event({"exception": "the secret (of it)"})["exception"] == REDACTED


def test_an_event_without_them_stays_as_it_is() -> None:
    event = {"type": "worker-heartbeat", "hostname": "w@h", "active": 1}

    assert strip_event(event) == event


def test_a_task_is_shown_without_them() -> None:
    task = SimpleNamespace(
        args="secret",
        kwargs="secret",
        result="secret",
        exception="E('secret')",
        traceback="secret",
        name="add",
    )

    assert "secret" not in str(redact_task(task))
    assert task.name == "add"
