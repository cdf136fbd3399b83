"""Where Vertex AI's jobs run, and with which buckets."""

from __future__ import annotations

import pytest

from batchline_worker.providers.google_places import (
    bucket_fits,
    folder_of,
    input_path,
    location_for,
    set_location,
)


@pytest.mark.parametrize(
    ("model", "configured", "location"),
    [
        ("gemini-2.5-flash", None, "us-central1"),
        ("gemini-3.1-flash-lite", None, "global"),
        ("publishers/google/models/gemini-3-pro", None, "global"),
        ("gemini-10-pro", "", "global"),
        ("gemini-3.1-flash-lite", "europe-west4", "europe-west4"),
        ("llama-3", None, "us-central1"),
    ],
)
def test_gemini_3_runs_in_global_unless_a_location_is_set(
    model: str, configured: str | None, location: str
) -> None:
    assert location_for(model, configured) == location


@pytest.mark.parametrize(
    ("bucket", "kind", "job", "fits"),
    [
        ("US-CENTRAL1", "region", "us-central1", True),
        ("EUROPE-WEST4", "region", "us-central1", False),
        ("EUROPE-WEST4", "region", "global", True),
        ("EUROPE-WEST4", "region", "eu", True),
        ("US-CENTRAL1", "region", "eu", False),
        ("NAM4", "dual-region", "us-central1", True),
        ("US", "multi-region", "us-central1", True),
        ("US", "multi-region", "northamerica-northeast1", True),
        ("EU", "multi-region", "us-central1", False),
        ("EU", "multi-region", "eu", True),
    ],
)
def test_a_bucket_is_refused_only_where_it_surely_does_not_fit(
    bucket: str, kind: str, job: str, *, fits: bool
) -> None:
    assert bucket_fits(bucket, kind, job) is fits


@pytest.mark.parametrize("configured", ["europe-west4", None])
def test_an_objects_name_tells_the_location_that_was_set_for_it(configured: str | None) -> None:
    path = input_path("bl-a-0", configured)

    assert set_location(path, "other") == configured
    assert folder_of(path) == "batchline/bl-a-0/"


@pytest.mark.parametrize(
    "path", ["", "theirs/input.jsonl", "batchline/a/evil.test#/input.jsonl", "batchline/a/../b/input.jsonl"]
)
def test_an_object_of_somebody_elses_tells_nothing_and_has_no_folder_to_delete(path: str) -> None:
    assert set_location(path, "us-central1") == "us-central1"
    assert folder_of(path) is None
