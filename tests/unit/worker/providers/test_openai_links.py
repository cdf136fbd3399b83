"""Tests of telling ids from links, and the account's own host from others."""

from __future__ import annotations

import pytest

from batchline_worker.providers.openai_links import place_of

BASE = "https://api.example/openai/v1"


@pytest.mark.parametrize("reference", ["file-1", "0b5e", "batch/out.jsonl", "123"])
def test_what_is_no_link_is_an_id(reference: str) -> None:
    assert place_of(reference, BASE) == (reference, "")


@pytest.mark.parametrize(
    "reference",
    [
        "/openai/v1/files/file-1/content",
        "files/file-1/content",
        "https://api.example/openai/v1/files/file-1/content?api-version=1",
        "https://api.example:443/v1/files/file-1/content",
    ],
)
def test_a_link_to_the_content_of_a_file_names_its_id(reference: str) -> None:
    assert place_of(reference, BASE) == ("file-1", "")


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ("/results/7", "https://api.example/results/7"),
        ("files/7.jsonl", "https://api.example/openai/v1/files/7.jsonl"),
        ("https://API.example/results/7?token=x", "https://API.example/results/7?token=x"),
    ],
)
def test_another_link_to_the_accounts_own_host_is_made_absolute(reference: str, url: str) -> None:
    assert place_of(reference, BASE) == ("", url)


@pytest.mark.parametrize(
    "reference",
    [
        "https://evil.example/files/file-1/content",
        "//evil.example/files/file-1/content",
        "http://api.example/openai/v1/files/file-1/content",
        "https://api.example:8443/v1/files/file-1/content",
        "https://api.example@evil.example/x",
        "https://api.example:port/x",
        "file:///etc/passwd",
        "gs://api.example/x",
    ],
)
def test_a_link_to_anywhere_else_is_no_place(reference: str) -> None:
    assert place_of(reference, BASE) is None
