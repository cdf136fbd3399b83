"""What a package says that it exports, it has. That the lists are sorted, the linter sees to."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import batchline
import batchline_ops
import batchline_shared
import batchline_simulator
import batchline_worker

ROOTS = (batchline, batchline_ops, batchline_shared, batchline_simulator, batchline_worker)
PACKAGES = sorted(
    module.name
    for root in ROOTS
    for module in pkgutil.walk_packages(root.__path__, f"{root.__name__}.")
    if module.ispkg
)


@pytest.mark.parametrize("name", [*(root.__name__ for root in ROOTS), "batchline.batch", *PACKAGES])
def test_every_exported_name_is_there_and_once(name: str) -> None:
    package = importlib.import_module(name)
    exported = getattr(package, "__all__", [])

    assert [other for other in exported if not hasattr(package, other)] == []
    assert len(exported) == len(set(exported))
