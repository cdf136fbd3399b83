"""The supervisor with small stand-ins for its services, and a real server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from batchline_ops.embedded import EmbeddedServer
from batchline_ops.supervisor import (
    Alive,
    HttpAnswer,
    LogLine,
    RestartPolicy,
    Service,
    StackError,
    StackState,
    SupervisedStack,
    UpOptions,
)
from integration.ops.process_checks import still_there

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PATIENT = """
import signal, sys, time, os
signal.signal(signal.SIGTERM, lambda *_: (print("asked to stop", flush=True), sys.exit(0)))
print("child ready", os.environ["BATCHLINE_REDIS_URL"], flush=True)
time.sleep(60)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""
PARENT = """
import subprocess
child = subprocess.Popen(["sleep", "60"])
print("grandchild", child.pid, flush=True)
child.wait()
"""
SLOW = "import time; time.sleep(0.3); print('up', flush=True); time.sleep(60)"
FAST = RestartPolicy(base_s=0.02, cap_s=0.05, start_timeout_s=60.0)


def python(name: str, code: str, *, ready: str = "", **more: object) -> Service:
    probe = LogLine(pattern=ready) if ready else Alive(for_s=0.05)
    return Service.model_validate(
        {"name": name, "command": (sys.executable, "-c", code), "probe": probe, **more},
    )


def patient(name: str, **more: object) -> Service:
    return python(name, PATIENT, ready="child ready", **more)


def options(data_dir: Path, services: Sequence[Service], **more: object) -> UpOptions:
    return UpOptions.model_validate(
        {"data_dir": data_dir, "services": tuple(services), "restart": FAST, "maxmemory": "64mb", **more}
    )


def log(stack: SupervisedStack, name: str) -> str:
    return (stack.logs / f"{name}.log").read_text()


def test_a_ready_stack_says_where_everything_is_and_leaves_nothing_when_it_stops(tmp_path: Path) -> None:
    with SupervisedStack(options(tmp_path, [patient("worker-1"), patient("beat")])) as stack:
        state = stack.state
        pids = list(state.pids.values())

        assert state.ready
        assert list(state.pids) == ["server", "worker-1", "beat"]
        assert log(stack, "worker-1") == f"child ready {state.redis_url}\n"
        assert stack.env()["BATCHLINE_REDIS_URL"] == state.redis_url
        assert stack.env()["BATCHLINE_BROKER_URL"] == state.redis_url.removesuffix("0") + "1"
        with Redis.from_url(state.redis_url) as redis:
            redis.set("job", "kept")

    assert still_there(pids) == []
    assert log(stack, "worker-1").endswith("asked to stop\n")
    assert not StackState.path(tmp_path).exists()
    with EmbeddedServer(tmp_path) as server, Redis.from_url(server.url, decode_responses=True) as redis:
        assert server.url == state.redis_url
        assert redis.get("job") == "kept"


def test_a_killed_service_comes_back_under_a_new_id_that_can_be_found(tmp_path: Path) -> None:
    with SupervisedStack(options(tmp_path, [patient("worker-1"), patient("worker-2")])) as stack:
        killed, spared = stack.pid("worker-1"), stack.pid("worker-2")

        os.kill(killed, signal.SIGKILL)

        assert stack.pid("worker-1", other_than=killed) != killed
        assert stack.wait_ready().pids["worker-2"] == spared
        assert "worker-1 was ended by SIGKILL" in log(stack, "supervisor")


def test_a_killed_server_comes_back_at_the_same_address_with_its_data(tmp_path: Path) -> None:
    with SupervisedStack(options(tmp_path, [])) as stack:
        url, killed = stack.state.redis_url, stack.pid("server")
        with Redis.from_url(url, decode_responses=True) as redis:
            redis.set("job", "kept")
            os.kill(killed, signal.SIGKILL)
            stack.pid("server", other_than=killed)
            stack.wait_ready()

            assert redis.get("job") == "kept"
        assert stack.state.redis_url == url


def test_no_process_is_left_when_the_supervisor_itself_is_killed(tmp_path: Path) -> None:
    services = [patient("worker-1"), python("deaf", STUBBORN, ready="deaf")]
    stack = SupervisedStack(options(tmp_path, services)).start()
    pids = list(stack.state.pids.values())

    stack.kill()

    assert len(pids) == 3
    assert still_there(pids) == []


def test_the_stack_ends_when_the_process_that_started_it_is_killed(tmp_path: Path) -> None:
    line = options(tmp_path, [patient("worker-1")]).model_dump_json()
    script = f"""
import sys, time
from batchline_ops.supervisor import SupervisedStack, UpOptions
stack = SupervisedStack(UpOptions.model_validate_json({line!r}))
print(*stack.start().state.pids.values(), stack.supervisor_pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        pids = [int(word) for word in starter.stdout.readline().split()]
        starter.kill()

    assert len(pids) == 3
    assert still_there(pids) == []


def test_what_a_killed_service_left_behind_is_killed_before_it_starts_again(tmp_path: Path) -> None:
    with SupervisedStack(options(tmp_path, [python("worker-1", PARENT, ready="grandchild")])) as stack:
        grandchild = int(log(stack, "worker-1").split()[1])
        killed = stack.pid("worker-1")

        os.kill(killed, signal.SIGKILL)

        assert stack.pid("worker-1", other_than=killed)
        assert still_there([grandchild]) == []


def test_a_service_that_does_not_stop_in_its_grace_is_killed_and_the_server_stops_last(
    tmp_path: Path,
) -> None:
    deaf = python("deaf", STUBBORN, ready="deaf", grace_s=0.2)
    with SupervisedStack(options(tmp_path, [deaf])) as stack:
        pass

    assert "deaf is killed" in log(stack, "supervisor")
    assert "User requested shutdown" in log(stack, "server")


def test_a_service_that_keeps_dying_at_the_start_is_one_clear_error_that_quotes_its_log(
    tmp_path: Path,
) -> None:
    broken = python("worker-1", "import sys; sys.exit('the settings are wrong')", ready="never")

    with pytest.raises(
        StackError, match=r"worker-1 exited with code 1; .*worker-1\.log: the settings are wrong$"
    ):
        SupervisedStack(options(tmp_path, [broken])).start()


def test_a_service_that_cannot_even_be_started_is_an_error_too(tmp_path: Path) -> None:
    nowhere = Service(name="beat", command=("sleep", "60"), cwd=tmp_path / "nowhere")

    with pytest.raises(StackError, match="beat could not be started"):
        SupervisedStack(options(tmp_path, [nowhere])).start()


def test_workers_that_will_not_talk_to_the_simulator_are_pointed_out(tmp_path: Path) -> None:
    real = options(tmp_path, [], simulator=True, env={"OPENAI_BASE_URL": "https://provider.example/v1"})

    with SupervisedStack(real) as stack:
        assert "workers use https://provider.example/v1, not the simulator" in log(stack, "supervisor")


def test_a_second_ctrl_c_does_not_wait_for_the_deaf(tmp_path: Path) -> None:
    deaf = python("deaf", STUBBORN, ready="deaf", grace_s=60)
    with SupervisedStack(options(tmp_path, [deaf])) as stack:
        os.kill(stack.supervisor_pid, signal.SIGINT)
        time.sleep(0.1)
        os.kill(stack.supervisor_pid, signal.SIGINT)

        assert stack.stop(timeout_s=10) == 0


def test_a_service_that_never_answers_is_an_error_too(tmp_path: Path) -> None:
    silent = Service(name="flower", command=("sleep", "60"), probe=HttpAnswer(url="http://127.0.0.1:9/"))
    impatient = options(tmp_path, [silent], restart=RestartPolicy(start_timeout_s=0.3))

    with pytest.raises(StackError, match=r"after 0\.3 s, flower did not become ready; .*flower\.log"):
        SupervisedStack(impatient).start()


def test_a_second_stack_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    with (
        SupervisedStack(options(tmp_path, [])),
        pytest.raises(StackError, match="another `batchline up` runs on"),
    ):
        SupervisedStack(options(tmp_path, [])).start()


def test_a_stack_uses_a_server_that_runs_already_and_leaves_it_running(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as server:
        with SupervisedStack(options(tmp_path, [patient("worker-1")])) as stack:
            assert stack.state.redis_url == server.url
            assert stack.pid("server") == server.pid

        with Redis.from_url(server.url) as redis:
            assert redis.ping()


def test_a_redis_of_ones_own_is_used_instead_of_an_embedded_one(tmp_path: Path) -> None:
    url = "redis://redis.example:6379/4"

    with SupervisedStack(options(tmp_path, [patient("worker-1")], redis_url=url)) as stack:
        assert stack.state.redis_url == url
        assert stack.state.broker_url == "redis://redis.example:6379/5"
        assert list(stack.state.pids) == ["worker-1"]


def test_a_higher_stage_starts_only_when_the_lower_one_is_ready(tmp_path: Path) -> None:
    slow = python("simulator", SLOW, ready="up", stage=0)

    with SupervisedStack(options(tmp_path, [patient("worker-1"), slow])) as stack:
        story = log(stack, "supervisor")

    assert story.index("simulator is ready") < story.index("worker-1 started")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_stop_signal_ends_the_stack_in_order_with_exit_code_0(
    tmp_path: Path, number: signal.Signals
) -> None:
    command = [sys.executable, "-m", "batchline_ops.supervisor"]
    line = options(tmp_path, [patient("worker-1")], as_json=True).model_dump_json()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(line + "\n")
        process.stdin.flush()
        ready = json.loads(process.stdout.readline())
        assert ready["ready"] is True

        process.send_signal(number)

        assert process.wait(10) == 0
    assert still_there(list(ready["pids"].values())) == []
    assert (tmp_path / "logs" / "worker-1.log").read_text().endswith("asked to stop\n")
