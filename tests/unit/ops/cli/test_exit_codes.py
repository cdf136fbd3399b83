"""Every exception has its exit code, and every exit code its meaning."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

import pytest

import batchline_ops
import batchline_shared.errors as tree
from batchline_ops.cli import exit_codes
from batchline_ops.cli.exit_codes import EPILOG, MEANINGS, ExitCode, exit_code_of, exit_code_of_status
from batchline_shared.ledger import FINAL, JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterator


def descendants(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    for child in kind.__subclasses__():
        yield child
        yield from descendants(child)


def all_errors() -> list[type[BaseException]]:
    """Every exception of ours, those of `batchline_ops` included."""
    for module in pkgutil.walk_packages(batchline_ops.__path__, "batchline_ops."):
        if module.name.endswith(".errors"):
            importlib.import_module(module.name)
    return sorted(set(descendants(tree.BatchlineError)), key=lambda kind: kind.__name__)


def instance(kind: type[BaseException]) -> BaseException:
    return kind.__new__(kind)


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_no_exception_of_ours_is_left_without_a_code_of_its_own(kind: type[BaseException]) -> None:
    assert exit_code_of(instance(kind)) is not ExitCode.UNEXPECTED


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (tree.InvalidModelError, ExitCode.BAD_INPUT),
        (tree.SchemaError, ExitCode.BAD_INPUT),
        (tree.InvalidBatchFileError, ExitCode.BAD_INPUT),
        (tree.JobNotFoundError, ExitCode.JOB_NOT_FOUND),
        (tree.JobNotReadyError, ExitCode.NOT_READY),
        (tree.WaitTimeoutError, ExitCode.NOT_READY),
        (tree.QueueUnavailableError, ExitCode.REDIS_UNAVAILABLE),
        (tree.QueueFullError, ExitCode.REDIS_FULL),
        (tree.ConfigurationError, ExitCode.CONFIGURATION),
        (tree.LedgerError, ExitCode.LEDGER),
        (tree.ProviderAuthError, ExitCode.PROVIDER),
        (KeyError, ExitCode.UNEXPECTED),
    ],
)
def test_what_a_caller_does_next_decides_the_code(kind: type[BaseException], code: ExitCode) -> None:
    assert exit_code_of(instance(kind)) is code


def test_errors_that_are_mapped_by_name_exist() -> None:
    for name in exit_codes._BY_NAME:
        module, _, kind = name.rpartition(".")
        assert issubclass(getattr(importlib.import_module(module), kind), tree.BatchlineError)


def test_every_code_is_explained() -> None:
    assert set(MEANINGS) == set(ExitCode)
    for code, meaning in MEANINGS.items():
        assert f"{code}  {meaning}" in EPILOG


def test_only_a_completed_job_ends_well() -> None:
    codes = {status: exit_code_of_status(status) for status in FINAL}

    assert [status for status, code in codes.items() if code is ExitCode.OK] == [JobStatus.COMPLETED]
    assert set(codes.values()) == {ExitCode.OK, ExitCode.JOB_FAILED}
