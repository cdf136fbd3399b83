"""The drawings and tables in `docs/` say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from batchline_shared.accounts import Account
from batchline_shared.dialects.registry import PROVIDERS, dialect, endpoints
from batchline_shared.ledger import FINAL, DeliveryState, JobStatus, ShardState
from batchline_shared.outcomes import RETRY_MAY_HELP, ErrorType
from batchline_shared.settings import Settings
from batchline_worker.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def drawing(number: int) -> list[tuple[str, str]]:
    """The moves of one drawing of the state machine."""
    text = (ROOT / "docs" / "state_machine.md").read_text()
    diagram = re.findall(r"```mermaid\n(.*?)```", text, re.DOTALL)[number]
    return re.findall(r"^\s*(\S+) --> (\w+)", diagram, re.MULTILINE)


def states(moves: list[tuple[str, str]]) -> set[str]:
    return {name for move in moves for name in move if name != "[*]"}


def test_the_drawing_of_a_job_shows_every_status_and_no_other() -> None:
    assert states(drawing(0)) == set(JobStatus)


def test_a_final_status_is_left_only_by_a_retry() -> None:
    assert {(a, b) for a, b in drawing(0) if a in FINAL} == {(status, "queued") for status in FINAL}


def test_the_drawing_of_a_shard_shows_every_state_and_no_other() -> None:
    assert states(drawing(2)) == set(ShardState)


def test_the_drawing_of_a_delivery_shows_every_state_and_leaves_none_but_pending() -> None:
    assert states(drawing(3)) == set(DeliveryState)
    assert {a for a, _ in drawing(3)} == {"[*]", DeliveryState.PENDING}


def test_the_drawing_leads_out_of_doubt_only_by_a_decision() -> None:
    moves = {(a, b) for a, b in drawing(2) if "in_doubt" in (a, b)}

    assert {a for a, b in moves if b == "in_doubt"} == {"submitting", "pooled", "uploaded", "pending"}
    assert {b for a, b in moves if a == "in_doubt"} == {"submitted", "uploaded", "pending"}


def test_the_drawing_creates_a_batch_only_behind_an_intent() -> None:
    # An adopted shard begins with a batch that somebody else has created; one in doubt is behind its intent.
    found = {"uploaded", "pending"}
    assert {a for a, b in drawing(2) if b == "submitted"} == found | {
        "[*]",
        "submitting",
        "submitted",
        "in_doubt",
    }
    # These are given what an earlier intent made: they create nothing.
    assert "uploaded --> submitted: an audit has found" in (ROOT / "docs" / "state_machine.md").read_text()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_file_leads_to_one(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text())

    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_every_promise_names_tests_that_exist() -> None:
    text = (ROOT / "docs" / "reliability.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    promises = re.findall(r"^\| (.+) \| .*(?:tests/|faults).*\|$", text, re.MULTILINE)

    assert len(promises) > 10
    assert [name for file, name in named if f"def {name}(" not in (ROOT / file).read_text()] == []


def test_the_providers_page_says_of_every_error_type_whether_a_retry_helps() -> None:
    page = (ROOT / "docs" / "providers.md").read_text()
    rows = dict(re.findall(r"\| `(\w+)` \| (yes|no)", page))

    assert rows == {kind: "yes" if helps else "no" for kind, helps in RETRY_MAY_HELP.items()}
    assert set(rows) == set(ErrorType)


@pytest.mark.parametrize(
    ("name", "endpoint"), [(name, endpoint) for name in PROVIDERS for endpoint in endpoints(name)]
)
def test_the_providers_page_has_the_limits_that_the_code_uses(name: str, endpoint: str) -> None:
    page = (ROOT / "docs" / "providers.md").read_text()
    limits = dialect(name, endpoint).limits
    row = re.search(rf"^\| `{name}` \| `{re.escape(endpoint)}` \| .*$", page, re.MULTILINE)

    assert row is not None
    assert f"| {limits.max_requests:,} |" in row[0]
    assert f"{limits.max_bytes:,} bytes" in row[0]


def test_the_accounts_page_has_every_field_with_the_default_it_names() -> None:
    page = (ROOT / "docs" / "accounts.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \|[^|]*\| ([^|]*) \|", page, re.MULTILINE))

    assert sorted(rows) == sorted(Account.model_fields)
    for name, field in Account.model_fields.items():
        assert field.default is None or rows[name] == f"`{field.default}`", name


def test_the_accounts_page_shows_settings_that_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "accounts.md").read_text()
    shown = re.findall(r"^(BATCHLINE_ACCOUNTS__\w+)=(\S*)", page, re.MULTILINE)
    for name, value in shown:
        monkeypatch.setenv(name, value)

    accounts = Settings.load().accounts

    assert {"azure", "groq", "together", "doubleword", "vllm", "eu"} <= set(accounts)
    assert accounts["azure"].path_prefix == ""


def test_every_setting_on_the_operations_page_exists_with_the_default_it_names() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    rows = re.findall(r"^\| `BATCHLINE_(\w+)`[^|]*\| ([\d.]+) \|", page, re.MULTILINE)

    assert len(rows) >= 6
    for name, default in rows:
        assert WorkerSettings.model_fields[name.lower()].default == float(default), name
