"""The demo's model, which has to be right most of the time, and honest about it always."""

from __future__ import annotations

import subprocess
import sys

import pytest

from batchline_ops.demo.corpus import Corpus
from batchline_ops.demo.facts import PackageFacts
from batchline_ops.demo.responder import answer


def ask(text: str) -> PackageFacts:
    return PackageFacts.model_validate(answer({"messages": [{"role": "user", "content": text}]}))


def test_it_reads_what_a_plain_text_says() -> None:
    facts = ask(
        "celery 5.7.0 is described by its authors as “Distributed Task Queue.”. Its licence: BSD-3-Clause. "
        "It wants Python >=3.10, and its development status is Production/Stable. Installing it adds "
        "the command line tool celery. It depends on billiard, kombu and vine.\n\nFrom its README:\n\nHello."
    )

    assert facts == PackageFacts(
        name="celery",
        version="5.7.0",
        summary="Distributed Task Queue.",
        license="BSD",
        min_python="3.10",
        maturity="stable",
        kind="command_line_tool",
        dependencies=3,
    )


def test_a_readme_that_speaks_of_another_licence_misleads_it() -> None:
    assert (
        ask("It replaces an Apache project.\n\n(… Licensed as MIT; runs on any Python.)").license == "Apache"
    )


@pytest.mark.parametrize("text", ["", "“", "Python", "depends on ", "\x00 “” Tagline: "])
def test_it_answers_in_the_right_form_whatever_it_is_asked(text: str) -> None:
    assert ask(text).dependencies == 0


def test_it_is_right_about_most_but_not_all() -> None:
    questions = list(Corpus().questions(600))
    right = [ask(question.messages[-1]["content"]) == question.truth for question in questions]

    assert 0.6 < sum(right) / len(right) < 0.95


def test_every_field_is_right_far_more_often_than_not() -> None:
    questions = list(Corpus().questions(600))

    for field in PackageFacts.model_fields:
        right = sum(
            getattr(ask(question.messages[-1]["content"]), field) == getattr(question.truth, field)
            for question in questions
        )
        assert right / len(questions) > 0.8, field


def test_the_simulator_does_not_load_the_client_with_it() -> None:
    script = (
        "import sys, batchline_ops.demo.responder; "
        "loaded = {'batchline', 'batchline_worker', 'celery', 'openai', 'rich'} & set(sys.modules); "
        "sys.exit(str(loaded) if loaded else 0)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stderr
