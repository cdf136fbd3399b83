"""The Gemini API's transport against the simulated one: what the SDK would lose, and what it would hold."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING

import orjson
import pytest

from batchline_shared.accounts import Account
from batchline_shared.errors import (
    ProviderAuthError,
    ProviderBusyError,
    ProviderRejectedError,
    ProviderUnavailableError,
)
from batchline_simulator import SimulatorConfig, SimulatorProcess, running_simulator
from batchline_worker.providers.base import BatchPhase, Submission
from batchline_worker.providers.gemini import GeminiProvider, make_provider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchline_worker.providers.base import RemoteBatch

MODEL = "gemini-2.5-flash"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    config = SimulatorConfig(
        data_dir=tmp_path_factory.mktemp("gemini"),
        speed=0,
        token_limit={"limited": 7},
        retired_models={"gemini-old": "gemini-new"},
        api_keys=frozenset({"good-key"}),
    )
    with running_simulator(config) as server:
        yield server


@pytest.fixture
def gemini(api: SimulatorProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[GeminiProvider]:
    api.set_faults()
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    monkeypatch.setenv("GEMINI_API_KEY", "good-key")
    made = GeminiProvider(base_url=api.gemini_url, retry_waits_s=(0.0, 0.0))
    yield made
    made.close()


def rows(count: int, *, padding: int = 0) -> io.BytesIO:
    def line(at: int) -> bytes:
        request = {"contents": [{"role": "user", "parts": [{"text": f"prompt {at} {'x' * padding}"}]}]}
        return orjson.dumps({"key": f"row-{at}", "request": request}) + b"\n"

    return io.BytesIO(b"".join(map(line, range(count))))


def submission(file_id: str, *, model: str = MODEL) -> Submission:
    return Submission("s-1", "job_1", "/generateContent", model, 1, file_id)


def ended(made: GeminiProvider, batch: RemoteBatch) -> RemoteBatch:
    deadline = time.monotonic() + 20
    while not (batch := made.poll(batch.id)).phase.is_final:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return batch


def test_a_large_upload_goes_in_pieces_from_its_start(gemini: GeminiProvider, api: SimulatorProcess) -> None:
    buffer = rows(10, padding=1_000_000)
    buffer.seek(5)
    before = len(api.calls("gemini.files.create"))

    batch = ended(gemini, gemini.create(submission(gemini.upload(buffer, name="large"))))

    assert len(api.calls("gemini.files.create")) == before + 3  # the start, and two pieces of at most 8 MiB
    assert len(list(gemini.lines(batch))) == 10


def test_an_upload_that_is_there_already_is_compared_and_not_sent_again(gemini: GeminiProvider) -> None:
    assert gemini.upload(rows(2), name="same") == "files/same"

    assert gemini.upload(rows(2), name="same") == "files/same"
    with pytest.raises(ProviderRejectedError, match="another content"):
        gemini.upload(rows(3), name="same")


def test_the_operations_error_reaches_the_user_whatever_its_details(
    gemini: GeminiProvider, api: SimulatorProcess
) -> None:
    api.arm(*({"call": "gemini.batches.create", "kind": kind} for kind in ("system_error", "error_details")))

    batch = ended(gemini, gemini.create(submission(gemini.upload(rows(1), name="broken"))))

    assert batch.phase is BatchPhase.FAILED
    assert batch.errors[0].code == "13"
    assert batch.errors[0].message


def test_a_line_that_is_malformed_makes_the_creation_fail_with_googles_words(gemini: GeminiProvider) -> None:
    file_id = gemini.upload(io.BytesIO(b'{"key":"a","request":{"contents":3}}\n'), name="malformed")

    with pytest.raises(ProviderRejectedError) as refused:
        gemini.create(submission(file_id))

    assert refused.value.status_code == 400


def test_a_model_that_is_retired_is_told_with_what_comes_after_it(gemini: GeminiProvider) -> None:
    with pytest.raises(ProviderRejectedError, match="gemini-new"):
        gemini.create(submission(gemini.upload(rows(1), name="retired"), model="gemini-old"))


def test_a_full_queue_refuses_the_creation_for_now(gemini: GeminiProvider) -> None:
    with pytest.raises(ProviderBusyError):
        gemini.create(submission(gemini.upload(rows(1, padding=500), name="full"), model="limited"))


def test_an_input_that_is_gone_is_no_missing_permission(gemini: GeminiProvider) -> None:
    with pytest.raises(ProviderRejectedError) as refused:
        gemini.create(submission("files/nowhere"))

    # What makes the worker upload it again.
    assert refused.value.status_code == 404
    assert "file" in str(refused.value).lower()


@pytest.mark.parametrize("key", ["", "bad-key", "good-key\n"], ids=["none", "wrong", "line-break"])
def test_a_key_that_does_not_do_is_told_and_never_quoted(
    key: str, gemini: GeminiProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", key)

    with pytest.raises(ProviderAuthError) as refused:
        gemini.upload(rows(1), name="keyless")

    assert "bad-key" not in str(refused.value)
    assert "good-key" not in str(refused.value)


def test_an_account_brings_its_own_address_and_key(
    api: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THEIR_KEY", "good-key")
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    account = Account(provider="gemini", base_url=api.gemini_url, api_key_env="THEIR_KEY")

    theirs = make_provider("gemini@theirs", account, create_timeout_s=5)

    try:
        assert theirs.upload(rows(1), name="theirs") == "files/theirs"
    finally:
        theirs.close()


def test_an_address_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "good-key")
    made = GeminiProvider(base_url="localhost:1")

    try:
        with pytest.raises(ProviderAuthError, match="must begin with http"):
            made.poll("batches/1")
    finally:
        made.close()


def test_cleaning_up_takes_the_input_the_batch_and_its_results(gemini: GeminiProvider) -> None:
    file_id = gemini.upload(rows(1), name="clean")
    batch = ended(gemini, gemini.create(submission(file_id)))

    gemini.clean_up(file_id=file_id, batch_id=batch.id)

    with pytest.raises(ProviderRejectedError):
        gemini.poll(batch.id)
    with pytest.raises(ProviderUnavailableError):
        list(gemini.lines(batch))
    # The name is free again, for a content of its own.
    assert gemini.upload(rows(2), name="clean") == file_id
