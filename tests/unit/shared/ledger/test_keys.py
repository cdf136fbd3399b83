"""Keys: all in one module, and every script within one hash slot."""

from __future__ import annotations

import ast
import re
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fakeredis
import pytest
from redis.crc import key_slot

import batchline
import batchline_shared
import batchline_worker
from batchline_shared.errors import ProviderRejectedError
from batchline_shared.ledger import Stage, keys
from scripted_provider import answer_line, error_line
from worker_bench import WorkerBench

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOTS = [Path(str(package.__path__[0])) for package in (batchline, batchline_shared, batchline_worker)]
LUA = Path(str(files("batchline_shared.ledger"))) / "lua"


def sources() -> Iterator[Path]:
    for root in ROOTS:
        yield from root.rglob("*.py")


class Watched(fakeredis.FakeRedis):
    """Notes every script call: its keys, and the prefix that it builds further keys from."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.calls: list[tuple[list[bytes | str], list[Any]]] = []

    def evalsha(self, sha: str, numkeys: int, *rest: Any) -> Any:
        self.calls.append((list(rest[:numkeys]), list(rest[numkeys:])))
        return super().evalsha(sha, numkeys, *rest)


@pytest.fixture(scope="module")
def watched() -> Watched:
    """A ledger on which jobs were enqueued, failed, were retried, cancelled and pooled, and lost rows."""
    ledger = Watched()
    bench = WorkerBench(ledger, shard_max_requests=3, durable_writes=False)
    bench.provider.answer = lambda one: error_line(one) if one.endswith("-1") else answer_line(one)
    job = bench.enqueue(7, idempotency_key="k", on_complete="shop.done", webhook="shop")
    bench.run()
    bench.provider.end_all()
    bench.later(20)
    bench.finish(job)
    bench.provider.answer = answer_line
    job.retry_failed()
    bench.finish(job)
    ledger.delete(keys.done(job.id))
    bench.queue.open_job(job.id, delay_s=0, sparse=False)
    other = bench.enqueue(2)
    other.cancel()
    bench.finish(other)
    gone, *small = [bench.enqueue(1, linger_s=5) for _ in range(4)]
    bench.run(Stage.PLAN, Stage.SUBMIT)
    gone.cancel()
    bench.provider.fail("create", ProviderRejectedError("openai", "refused"))
    for one in small:
        bench.finish(one)
    bench.enqueue(1, linger_s=5)
    bench.run(Stage.PLAN, Stage.SUBMIT)
    late = bench.enqueue(2, deadline=timedelta(hours=1), on_deadline="live")
    bench.later(3700)
    bench.finish(late)
    bench.enqueue(2, deadline=timedelta(hours=1))
    return ledger


def test_every_script_touches_keys_of_one_slot(watched: Watched) -> None:
    assert len(watched.calls) > 100
    for names, arguments in watched.calls:
        built = [arg for arg in arguments if isinstance(arg, str) and arg.startswith("batchline:{p")]
        slots = {key_slot(name if isinstance(name, bytes) else name.encode()) for name in [*names, *built]}
        assert len(slots) == 1, names


def test_the_keys_of_an_accounts_admission_are_of_one_slot_and_accounts_are_spread() -> None:
    routes = ["openai", "openai@groq", "anthropic", "gemini@eu-west_1"]
    slots = [
        {key_slot(name.encode()) for name in [*keys.admission(route), keys.admission_prefix(route)]}
        for route in routes
    ]

    assert [len(each) for each in slots] == [1, 1, 1, 1]
    assert len(set().union(*slots)) == 4


def test_scripts_build_keys_from_the_prefix_of_work_records_alone() -> None:
    for script in LUA.glob("*.lua"):
        text = script.read_text()
        assert "batchline" not in text.lower().replace("batchline's", ""), script
        for argument in re.findall(r"redis\.call\('(?!PUBLISH)\w+', ([^,)]+)", text):
            assert re.fullmatch(
                r"KEYS\[\d+\]|unpack\(KEYS|key|work|tally|due|shards|ARGV\[[123]\] \.\. \w+", argument
            ), (
                script.name,
                argument,
            )


def test_every_key_that_is_written_is_one_of_the_module(watched: Watched) -> None:
    job = r"\{job_[0-9a-f]{20}\}"
    member = r"(job_)?[0-9a-f]{20}((-(task|webhook))?(-\d+)?|~deadline)"
    pool, carrier = "pool_[0-9a-f]{16}", r"pool-[0-9a-f]{16}-\d+"
    patterns = [
        *(
            re.escape(name)
            for name in (keys.SCHEMA, keys.LEDGER_ID, keys.ALL_JOBS, keys.TICK, keys.LIST_SWEEP)
        ),
        re.escape(keys.NUDGE).replace("%s", r"\w+"),
        r"batchline:idem:[0-9a-f]{64}",
        rf"batchline:{job}:(meta|in|idx|ids|done|out|again|tries|asked)",
        r"batchline:batch:[a-z0-9@_-]+:\S+",
        r"batchline:\{r:[a-z0-9@_-]+\}:admission:(\w+|(waiting|flows):\S+)",
        r"batchline:\{r:[a-z0-9@_-]+\}:live",
        rf"batchline:\{{p[0-7]\}}:(due:\w+|tally|(work|shards):{member})",
        rf"batchline:\{{p[0-7]\}}:((pool|passengers):{pool}|(work|berths):{carrier}|work:audit~[a-z0-9@_-]+)",
    ]
    found = [name.decode() for name in watched.scan_iter()]

    assert len(found) > 20
    assert [name for name in found if not any(re.fullmatch(p, name) for p in patterns)] == []


def test_no_other_module_spells_a_key() -> None:
    spelled = re.compile(r"""["']batchline:(?!celery:)|\{PREFIX\}""")
    places = [str(path) for path in sources() if path.name != "keys.py" and spelled.search(path.read_text())]

    assert places == []


def test_every_script_file_is_loaded_and_every_loaded_one_is_used() -> None:
    loaded = set(re.findall(r'script\("(\w+)"\)', (LUA.parent / "scripts.py").read_text()))
    text = "".join(path.read_text() for path in LUA.parent.glob("*.py"))

    assert loaded == {path.stem for path in LUA.glob("[!_]*.lua")}
    assert [name for name in loaded if f"_scripts.{name}" not in text] == []


def clock_calls(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = ast.unparse(node.func)
            if name in {
                "time.time",
                "time.time_ns",
                "datetime.now",
                "datetime.utcnow",
                "datetime.datetime.now",
            }:
                yield f"{path.name}:{node.lineno} {name}"


def test_no_time_is_written_by_any_clock_but_the_servers() -> None:
    # A provider's Retry-After may be a date, which only the local clock can turn into a wait; and prices
    # are those of a day of the calendar. Neither is written.
    local = {"sdk_errors.py", "rates.py"}
    ledgered = [path for path in sources() if path.name not in local]

    assert [found for path in ledgered for found in clock_calls(path)] == []


def test_a_clock_call_would_be_noticed(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("import time\nx = time.time()\n")

    assert list(clock_calls(bad)) == ["bad.py:2 time.time"]


def test_the_work_of_a_job_lies_in_one_partition_and_jobs_in_all() -> None:
    spread = {keys.partition_of(f"job_{n}") for n in range(500)}

    assert spread == set(range(keys.PARTITIONS))
