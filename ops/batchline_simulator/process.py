"""A simulator in a process of its own, for tests and demonstrations.

The process is real, so it can be killed and started again on the same folder.
"""

import json
import os
import select
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from batchline_simulator.config import SimulatorConfig
from batchline_simulator.google.service_account import write_service_account

_START_S = 20.0
_STOP_S = 5.0


class SimulatorProcess:
    """One running simulator."""

    def __init__(self, config: SimulatorConfig, *, search_path: Sequence[Path] = ()) -> None:
        """Start it and wait until it answers.

        Args:
            config: What it does. Port 0 takes a free port.
            search_path: Folders from which `responder` can be imported.

        Raises:
            RuntimeError: It did not start; the message has what it wrote.
        """
        self.config = config
        config.data_dir.mkdir(parents=True, exist_ok=True)
        self._errors = config.data_dir / "simulator.stderr"
        path = os.pathsep.join([*map(str, search_path), os.environ.get("PYTHONPATH", "")])
        with self._errors.open("ab") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - our own module, with arguments of our own
                [sys.executable, "-m", "batchline_simulator", *config.arguments()],
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "PYTHONPATH": path},
            )
        self.url = self._ready_url()
        """Where it answers, without a path."""

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its `base_url`."""
        return f"{self.url}/v1"

    @property
    def gemini_url(self) -> str:
        """What google-genai takes as its `base_url` for the Gemini API; for Vertex it takes `url`."""
        return f"{self.url}/gemini"

    def write_service_account(self, path: Path, *, project: str = "simulated-project") -> Path:
        """Write a key file for `GOOGLE_APPLICATION_CREDENTIALS`; see `google.service_account`."""
        return write_service_account(path, self.url, project=project)

    @property
    def pid(self) -> int:
        """Id of the process."""
        return self._process.pid

    def log(self) -> list[dict[str, Any]]:
        """Return every provider call so far, oldest first."""
        entries: list[dict[str, Any]] = []
        while True:
            after = entries[-1]["id"] if entries else 0
            page = self._call("GET", f"/_sim/log?after={after}").splitlines()
            if not page:
                return entries
            entries += [json.loads(line) for line in page]

    def calls(self, call: str) -> list[dict[str, Any]]:
        """Return the log entries of one call, such as `batches.create`."""
        return [entry for entry in self.log() if entry["call"] == call]

    def batches(self) -> list[dict[str, Any]]:
        """Return every batch ever accepted, oldest first."""
        return list(json.loads(self._call("GET", "/_sim/batches"))["data"])

    def stats(self) -> dict[str, Any]:
        """Return counts of calls and batches."""
        return dict(json.loads(self._call("GET", "/_sim/stats")))

    def arm(self, *faults: dict[str, Any]) -> None:
        """Add faults to those that are armed."""
        self._call("POST", "/_sim/faults", json.dumps(faults).encode())

    def set_faults(self, *faults: dict[str, Any]) -> None:
        """Arm exactly these faults instead of those that are armed."""
        self._call("DELETE", "/_sim/faults")
        self.arm(*faults)

    def stop(self) -> int:
        """Ask it to stop, and return its exit code; 0 where it stopped in order."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            return self.kill()
        finally:
            self._close()

    def kill(self) -> int:
        """End it at once, as a crash would."""
        self._process.kill()
        code = self._process.wait()
        self._close()
        return code

    def _close(self) -> None:
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _ready_url(self) -> str:
        output = self._process.stdout
        deadline = time.monotonic() + _START_S
        while output is not None and time.monotonic() < deadline:
            if select.select([output], [], [], 0.2)[0]:
                line = output.readline()
                if not line:
                    break
                return str(json.loads(line)["url"])
        self.kill()
        raise RuntimeError(f"the simulator did not start: {self._errors.read_text()[-2000:]}")

    def _call(self, method: str, path: str, body: bytes | None = None) -> str:
        request = urllib.request.Request(self.url + path, body, method=method)  # noqa: S310 - our own server
        with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310 - our own server
            return str(reply.read().decode())


@contextmanager
def running_simulator(
    config: SimulatorConfig, *, search_path: Sequence[Path] = ()
) -> Iterator[SimulatorProcess]:
    """Run a simulator for the length of a `with` block."""
    process = SimulatorProcess(config, search_path=search_path)
    try:
        yield process
    finally:
        process.stop()
