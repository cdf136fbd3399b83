"""What most scripts do: no ledger, a list of what is done, and another try after any failure.

The baseline. Under the same faults and the same oracle it pays twice, which shows that the faults bite. Its
batches bear the mark that workers use, so that the same checker counts them.

`python -m faults.naive PROVIDER COUNT NOTES` is such a script. Whoever runs it starts it again when it dies.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchline_ops.simulated import simulated_environment
from batchline_simulator import SimulatorConfig, running_simulator
from faults.checker import Count, doubled
from faults.history import History
from faults.providers_fail import KINDS
from faults.snapshot import record_provider
from faults.trade import MARK, PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchline_simulator.process import SimulatorProcess
    from faults.trade import Provider

__all__ = ["NAIVE_FAULTS", "NAIVE_PROVIDERS", "run_naive"]

_TIMEOUT_S = 1.5
_TRIES = 8
_PATIENCE_S = 300.0


def run_naive(fault: str, provider: Provider, count: int, rounds: int, folder: Path) -> tuple[Count, float]:
    """Run the script under a fault until it is done; returns what came of it, and in how many seconds."""
    folder.mkdir(parents=True)
    began = time.monotonic()
    history = History(f"{fault}, naive", tick_s=1)
    config = SimulatorConfig(data_dir=folder / "simulator", speed=0, gemini_max_batches=10_000)
    with running_simulator(config) as simulator:
        NAIVE_FAULTS[fault](simulator, provider, rounds)
        _run_to_the_end(simulator, provider, count, folder)
        record_provider(history, simulator)
    marks = {batch.mark for batch in history.batches if batch.ran}
    kills = sum(act.kind == "kill" for act in history.acts)
    found = Count(
        submissions=count,
        kills=kills,
        faults=history.struck.get(provider.name, 0),
        batches=len(history.batches),
        doubled=doubled(history, provider.name),
        lost=count - len(marks),
        outcomes=0,
    )
    return found, time.monotonic() - began


def _kill_after_accept(simulator: SimulatorProcess, provider: Provider, rounds: int) -> None:
    simulator.arm({"call": provider.create, "kind": "signal", "rate": 0.4, "times": rounds})


def _provider_faults(simulator: SimulatorProcess, provider: Provider, rounds: int) -> None:
    for number, (kind, options) in enumerate(KINDS.items()):
        for turn in range(rounds):
            skip = 2 * (turn * len(KINDS) + number)
            simulator.arm({"call": provider.create, "kind": kind, "skip": skip, "times": 1, **options})


NAIVE_FAULTS: dict[str, Callable[[SimulatorProcess, Provider, int], None]] = {
    "kill-after-accept": _kill_after_accept,
    "provider-faults": _provider_faults,
}
"""The faults under which the script is run."""


def _run_to_the_end(simulator: SimulatorProcess, provider: Provider, count: int, folder: Path) -> None:
    env = {**os.environ, **simulated_environment(simulator.url, folder / "none.json", {})}
    command = [sys.executable, "-m", "faults.naive", provider.name, str(count), str(folder / "notes.txt")]
    deadline = time.monotonic() + _PATIENCE_S
    with (folder / "naive.log").open("ab") as log:
        while subprocess.run(command, env=env, stdout=log, stderr=log, check=False).returncode:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the script did not end: {folder / 'naive.log'}")


def main() -> None:
    """Submit what the notes do not name yet."""
    name, count, path = sys.argv[1:]
    notes = Path(path)
    notes.touch()
    done = set(notes.read_text().split())
    submit = _SCRIPTS[name]()
    for mark in (f"naive-{number}" for number in range(int(count))):
        if mark in done:
            continue
        for attempt in range(_TRIES):
            try:
                submit(mark)
                break
            except Exception as error:
                sys.stderr.write(f"{mark}: {type(error).__name__}, once more\n")
                if attempt == _TRIES - 1:
                    raise
        with notes.open("a") as written:
            written.write(f"{mark}\n")


def _openai() -> Callable[[str], object]:
    from openai import OpenAI  # noqa: PLC0415 - one SDK for each script

    sdk = OpenAI(timeout=_TIMEOUT_S)

    def submit(mark: str) -> object:
        body = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": mark}]}
        line = {"custom_id": "r", "method": "POST", "url": "/v1/chat/completions", "body": body}
        source = io.BytesIO(json.dumps(line).encode() + b"\n")
        file = sdk.files.create(file=("input.jsonl", source), purpose="batch")
        return sdk.batches.create(
            input_file_id=file.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={MARK: mark},
        )

    return submit


def _anthropic() -> Callable[[str], object]:
    from anthropic import Anthropic  # noqa: PLC0415 - as above

    sdk = Anthropic(timeout=_TIMEOUT_S)

    def submit(mark: str) -> object:
        params: Any = {
            "model": "claude-haiku-4-5",
            "max_tokens": 10,
            "messages": [{"role": "user", "content": mark}],
        }
        return sdk.messages.batches.create(requests=[{"custom_id": f"bl-{mark}-0", "params": params}])

    return submit


def _gemini() -> Callable[[str], object]:
    from google.genai import Client  # noqa: PLC0415 - as above

    sdk = Client(http_options={"timeout": int(_TIMEOUT_S * 1000)})

    def submit(mark: str) -> object:
        row: Any = {"contents": [{"role": "user", "parts": [{"text": mark}]}]}
        return sdk.batches.create(
            model="gemini-2.5-flash", src=[row], config={"display_name": f"{MARK}={mark}"}
        )

    return submit


_SCRIPTS = {"openai": _openai, "anthropic": _anthropic, "gemini": _gemini}

NAIVE_PROVIDERS = [PROVIDERS[name] for name in _SCRIPTS]
"""Providers that the script is written for: Vertex AI's batches are created as Gemini's are."""


if __name__ == "__main__":
    main()
