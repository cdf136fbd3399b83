"""What the doctor makes of servers and machines that are not as they should be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import fakeredis
import pytest
from redis.exceptions import ResponseError

from batchline_ops.cli import run
from batchline_ops.cli.doctor.environment_checks import KEY_VARIABLES, check_environment
from batchline_ops.cli.doctor.findings import Finding, Level
from batchline_ops.cli.doctor.ledger_checks import check_ledger, read_overview
from batchline_ops.cli.doctor.server_checks import check_server
from batchline_shared.dialects.registry import PROVIDERS
from batchline_shared.ledger import keys

if TYPE_CHECKING:
    from pathlib import Path

GOOD_INFO = {
    "valkey_version": "9.1.2",
    "aof_enabled": 1,
    "aof_last_write_status": "ok",
    "used_memory": 100 << 20,
    "maxmemory": 1 << 30,
}
GOOD_SETTINGS = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}


class Server:
    """What the doctor asks a server, with the answers to give."""

    def __init__(
        self,
        info: dict[str, Any] | None = None,
        settings: dict[str, str] | None = None,
        *,
        waitaof: bool = True,
        closed: bool = False,
    ) -> None:
        self._info = GOOD_INFO | (info or {})
        self._settings = GOOD_SETTINGS | (settings or {})
        self._waitaof = waitaof
        self._closed = closed

    def info(self) -> dict[str, Any]:
        return self._info

    def config_get(self, *_: str) -> dict[str, str]:
        if self._closed:
            raise ResponseError("unknown command 'CONFIG'")
        return self._settings

    def execute_command(self, *_: str) -> dict[str, Any]:
        return {"waitaof": {}} if self._waitaof else {}


def by_check(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings}


def test_a_good_server_has_nothing_to_repair() -> None:
    assert {finding.level for finding in check_server(Server())} == {Level.OK}


@pytest.mark.parametrize(
    ("server", "check", "level"),
    [
        pytest.param(
            Server({"aof_enabled": 0}, {"appendonly": "no"}), "Append-only file", Level.FAIL, id="no AOF"
        ),
        pytest.param(Server({"aof_last_write_status": "err"}), "Append-only file", Level.FAIL, id="bad disk"),
        pytest.param(Server(settings={"appendfsync": "no"}), "appendfsync", Level.WARN, id="no fsync"),
        pytest.param(
            Server(settings={"maxmemory-policy": "allkeys-lru"}),
            "maxmemory-policy",
            Level.FAIL,
            id="eviction",
        ),
        pytest.param(Server({"maxmemory": 0}), "Memory", Level.WARN, id="no limit"),
        pytest.param(Server({"used_memory": 1000 << 20}), "Memory", Level.WARN, id="nearly full"),
        pytest.param(Server(waitaof=False), "WAITAOF", Level.WARN, id="no WAITAOF"),
        pytest.param(Server(closed=True), "appendfsync", Level.WARN, id="managed"),
    ],
)
def test_each_weakness_is_told_with_what_to_do(server: Server, check: str, level: Level) -> None:
    finding = by_check(check_server(server))[check]

    assert finding.level is level
    assert finding.advice


@pytest.mark.parametrize(
    ("version", "level"),
    [("6.2.14", Level.FAIL), ("7.0.0", Level.OK), ("7.4.1", Level.OK), ("8.0", Level.OK)],
)
def test_old_redis_versions_are_refused(version: str, level: Level) -> None:
    server = Server({"redis_version": version})
    del server.info()["valkey_version"]

    assert by_check(check_server(server))["Redis version"].level is level


def test_a_ledger_of_another_version_is_a_failure_and_none_is_not() -> None:
    client = fakeredis.FakeRedis()
    assert [finding.level for finding in check_ledger(client, read_overview(client))] == [Level.OK]
    assert client.dbsize() == 0

    client.set(keys.SCHEMA, "999")
    assert [finding.level for finding in check_ledger(client, read_overview(client))] == [Level.FAIL]


def test_keys_are_named_and_never_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("BATCHLINE_ENV_FILE", *(n for groups in KEY_VARIABLES.values() for g in groups for n in g)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    assert "sk-planted" not in repr(check_environment())
    assert by_check(check_environment())["Key for openai"].detail == "OPENAI_API_KEY is set"

    monkeypatch.delenv("OPENAI_API_KEY")
    assert by_check(check_environment())["Keys"].level is Level.WARN

    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    assert "not GCS_BUCKET" in by_check(check_environment())["Key for google"].detail
    assert by_check(check_environment())["Key for openai"].detail == "not set up here (OPENAI_API_KEY)"

    (tmp_path / "keys.env").write_text("OPENAI_API_KEY=sk-planted\n")
    monkeypatch.setenv("BATCHLINE_ENV_FILE", str(tmp_path / "keys.env"))
    assert "sk-planted" not in repr(check_environment())
    assert by_check(check_environment())["Key for openai"].level is Level.OK


def test_every_provider_has_its_keys_listed() -> None:
    assert set(KEY_VARIABLES) >= set(PROVIDERS)


def test_a_redis_that_is_down_is_a_finding_among_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["--redis-url", "redis://:planted@127.0.0.1:1/0", "doctor", "--json"])
    out, err = capsys.readouterr()

    report = json.loads(out)
    assert (code, err, report["ok"]) == (12, "", False)
    assert "planted" not in out
    assert [item["level"] for item in report["checks"] if item["check"] == "Redis"] == ["fail"]
    assert all(item.keys() == {"check", "level", "detail", "advice"} for item in report["checks"])


def test_a_wrong_setting_is_a_finding(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATCHLINE_LEASE_S", "soon")

    assert run(["doctor"]) == 12
    assert "BATCHLINE_LEASE_S" in capsys.readouterr().out
