"""Servers that are like OpenAI and are not: the official SDK gets through to them."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai import APIStatusError, AzureOpenAI

from batchline_simulator import SimulatorConfig, SimulatorProcess, running_simulator

SHAPES = "bare-ids null-counts no-object no-has-more extra-keys empty-error-file no-error-key string-body"
PATHS = "no-counts links uppercase-statuses bare-paths api-key-header mistakes-422"


def started(factory: pytest.TempPathFactory, quirks: str) -> Iterator[SimulatorProcess]:
    config = SimulatorConfig(data_dir=factory.mktemp("quirks"), speed=0, quirks=frozenset(quirks.split()))  # type: ignore[arg-type]
    with running_simulator(config) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    yield from started(tmp_path_factory, SHAPES)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    yield from started(tmp_path_factory, PATHS)


def test_ids_are_bare_and_lead_to_what_they_name(
    shapes: SimulatorProcess, open_bench: Callable[..., Any]
) -> None:
    bench = open_bench(shapes)
    batch = bench.run([bench.row("r")])
    (line,) = bench.lines(batch.output_file_id)

    ids = [batch.id, batch.input_file_id, batch.output_file_id, line["id"]]
    assert [one for one in ids if not one.isalnum()] == []
    assert bench.client.files.retrieve(batch.output_file_id).id == batch.output_file_id


def test_batch_has_no_object_null_counts_and_unknown_keys(
    shapes: SimulatorProcess, open_bench: Callable[..., Any]
) -> None:
    bench = open_bench(shapes)
    shown = bench.run([bench.row("r")]).to_dict()

    assert "object" not in shown
    assert set(shown["request_counts"].values()) == {None}
    assert "x_backend" in shown


def test_clean_batch_names_an_error_file_that_is_empty(
    shapes: SimulatorProcess, open_bench: Callable[..., Any]
) -> None:
    bench = open_bench(shapes)
    batch = bench.run([bench.row("r")])

    assert batch.error_file_id
    assert bench.client.files.content(batch.error_file_id).content == b""


def test_lines_have_a_body_in_a_string_and_no_error(
    shapes: SimulatorProcess, open_bench: Callable[..., Any]
) -> None:
    bench = open_bench(shapes)
    (line,) = bench.lines(bench.run([bench.row("r")]).output_file_id)

    assert "error" not in line
    assert json.loads(line["response"]["body"])["object"] == "chat.completion"


def test_lists_end_without_saying_so(shapes: SimulatorProcess, open_bench: Callable[..., Any]) -> None:
    bench = open_bench(shapes)
    batch = bench.run([bench.row("r")])
    page = bench.client.get("/batches?limit=1", cast_to=object)

    assert (set(page), page["data"][0]["id"]) == ({"object", "data"}, batch.id)


def test_result_files_are_links_that_can_be_followed(
    paths: SimulatorProcess, open_bench: Callable[..., Any]
) -> None:
    bench = open_bench(paths)
    rows = [bench.row("r")]
    batch = bench.wait(bench.create(rows), "COMPLETED")
    link = batch.output_file_id

    assert batch.request_counts is None
    assert link.startswith("/v1/files/")
    assert b'"custom_id": "r"' in bench.client.get(link.removeprefix("/v1"), cast_to=bytes)


def test_paths_and_key_of_azure_are_taken(paths: SimulatorProcess, open_bench: Callable[..., Any]) -> None:
    with AzureOpenAI(
        base_url=paths.base_url, api_key="key", api_version="2026-01-01", max_retries=0
    ) as azure:
        bench = open_bench(paths)
        bench.client = azure
        rows = [bench.row("r") | {"url": "/chat/completions"}, bench.row("s")]
        batch = bench.wait(bench.create(rows), "COMPLETED", "FAILED")

    assert (batch.status, batch.endpoint) == ("COMPLETED", "/chat/completions")


def test_every_mistake_is_a_422(paths: SimulatorProcess, open_bench: Callable[..., Any]) -> None:
    bench = open_bench(paths)
    statuses = []
    for call in (
        lambda: bench.client.batches.retrieve("batch_unknown"),
        lambda: bench.client.files.content("file-unknown"),
        lambda: bench.create_from("file-1", "/v1/nowhere"),
    ):
        with pytest.raises(APIStatusError) as caught:
            call()
        statuses.append(caught.value.status_code)

    assert statuses == [422, 422, 422]


@pytest.mark.parametrize("url", ["/chat/completions", "/embeddings"])
def test_openai_itself_takes_no_bare_path(bench: Any, url: str) -> None:
    with pytest.raises(APIStatusError, match="Supported values"):
        bench.create_from(bench.upload([bench.row("r") | {"url": url}]), url)
