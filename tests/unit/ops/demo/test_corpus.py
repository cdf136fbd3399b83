"""The demo's input: real passages with known truth."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from itertools import islice

import pytest

from batchline_ops.demo.corpus import Corpus
from batchline_ops.demo.packages import InstalledPackage, installed_packages
from batchline_ops.demo.passages import MAX_CHARS, passages
from batchline_shared.errors import InvalidInputError


def package(**fields: object) -> InstalledPackage:
    empty: dict[str, object] = {
        "name": "demo", "version": "1.0", "summary": "A demo.", "license_expression": "", "license_text": "",
        "requires_python": "", "classifiers": (), "requirements": (), "commands": (), "plugs_into": (),
        "readme": "",
    }  # fmt: skip
    return InstalledPackage(**{**empty, **fields})  # type: ignore[arg-type]


def test_this_environment_yields_at_least_a_thousand_passages_between_paragraphs() -> None:
    questions = list(Corpus().questions(1000))

    assert len({question.custom_id for question in questions}) == 1000
    assert len({question.messages[-1]["content"] for question in questions}) == 1000


def test_more_than_there_are_paragraphs_for_are_distinct_too() -> None:
    contents = {question.messages[-1]["content"] for question in Corpus().questions(20_000)}

    assert len(contents) == 20_000


def test_passages_are_neither_empty_nor_too_long() -> None:
    found = [text for _, text in islice(passages([each.readme for each in installed_packages()]), 5000)]

    assert len(found) == 5000
    assert all(30 < len(text) <= MAX_CHARS for text in found)
    assert all(text == text.strip() for text in found)


def test_the_order_is_the_same_in_every_process() -> None:
    script = (
        "import hashlib; from batchline_ops.demo.corpus import Corpus; print(hashlib.sha256("
        "repr([(q.custom_id, q.messages) for q in Corpus().questions(2500)]).encode()).hexdigest())"
    )
    digests = {
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }

    assert len(digests) == 1


def test_every_readme_has_its_turn_before_the_first_is_asked_about_again() -> None:
    readmes = ["\n\n".join(f"{word} passage {'with some words ' * 30}" for word in "abc")] * 3

    assert [index for index, _ in islice(passages(readmes), 6)] == [0, 1, 2, 0, 1, 2]


def test_a_word_longer_than_a_passage_is_cut() -> None:
    text = " ".join(["some words here to make it worth reading at all"] * 3 + ["x" * 3000])

    assert max(len(passage) for _, passage in passages([text])) <= MAX_CHARS


def test_too_many_requests_are_refused_by_name_and_number() -> None:
    corpus = Corpus([package(readme="A README of ten words is short, but worth reading once.")])

    with pytest.raises(InvalidInputError, match=r"1 packages .* not 5000"):
        list(corpus.questions(5000))


def test_the_truth_is_what_the_metadata_says() -> None:
    pydantic = next(each for each in installed_packages() if each.name == "pydantic").facts()

    assert pydantic.version == version("pydantic")
    assert (pydantic.license, pydantic.maturity, pydantic.kind) == ("MIT", "stable", "library")


def test_every_fact_is_told_in_every_wording() -> None:
    questions = islice(Corpus().questions(1000), 0, 1000)

    for question in questions:
        text, truth = question.messages[-1]["content"], question.truth
        told = [truth.name, truth.version, truth.summary, "licen" if truth.license == "other" else ""]
        assert all(fact in text for fact in told), question.custom_id


def test_the_truth_does_not_come_from_the_responder() -> None:
    script = (
        "import sys; from batchline_ops.demo.corpus import Corpus; list(Corpus().questions(10)); "
        "sys.exit('batchline_ops.demo.responder' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize(
    ("fields", "family"),
    [
        pytest.param({"license_expression": "MIT"}, "MIT", id="expression"),
        pytest.param(
            {"license_expression": "BSD-3-Clause", "license_text": "MIT"}, "BSD", id="expression-first"
        ),
        pytest.param({"license_expression": "MPL-2.0 AND (Apache-2.0 OR MIT)"}, "several", id="combined"),
        pytest.param({"license_expression": "MIT OR MIT-0"}, "MIT", id="one-family-twice"),
        pytest.param(
            {"classifiers": ("License :: OSI Approved :: ISC License (ISCL)",), "license_text": "MIT"},
            "ISC",
            id="classifier",
        ),
        pytest.param({"license_text": "Apache 2.0"}, "Apache", id="free-text"),
        pytest.param({"license_expression": "LGPL-3.0-only"}, "other", id="another"),
        pytest.param({}, "other", id="none"),
    ],
)
def test_licences_are_read_from_the_most_formal_field(fields: dict[str, object], family: str) -> None:
    assert package(**fields).facts().license == family


@pytest.mark.parametrize(
    ("requires", "oldest"),
    [
        (">=3.9", "3.9"),
        ("!=3.0.*,!=3.1.*,>=2.7", "2.7"),
        (">=3.9.0,<4", "3.9"),
        ("~=3.11", "3.11"),
        ("<4", None),
        ("", None),
        ("three", None),
    ],
)
def test_the_oldest_python_is_the_lower_bound(requires: str, oldest: str | None) -> None:
    assert package(requires_python=requires).facts().min_python == oldest


def test_of_two_states_of_development_the_later_counts() -> None:
    classifiers = ("Development Status :: 6 - Mature", "Development Status :: 5 - Production/Stable")

    assert package(classifiers=classifiers).facts().maturity == "mature"


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, "library"),
        ({"commands": ("demo",), "plugs_into": ("pytest11",)}, "command_line_tool"),
        ({"plugs_into": ("pytest11",)}, "plugin"),
        ({"classifiers": ("Typing :: Stubs Only",), "commands": ("demo",)}, "type_stubs"),
    ],
)
def test_the_kind_follows_from_what_a_package_installs(fields: dict[str, object], kind: str) -> None:
    assert package(**fields).facts().kind == kind
