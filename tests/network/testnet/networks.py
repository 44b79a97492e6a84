"""`synnergy testnet` in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.network.support import eventually
from tests.network.testnet.test_process import alive

COMMAND = (sys.executable, "-m", "synnergy")


def environment(home: Path, node: str = "") -> dict[str, str]:
    """What a command for this home inherits; none of the surroundings' own settings."""
    clean = {name: value for name, value in os.environ.items() if "SYNNERGY" not in name}
    return clean | {"SYNNERGY_HOME": str(home)} | ({"SYNNERGY_NODE": node} if node else {})


@dataclass
class Testnet:
    """A network under its supervisor; `lines` are the objects that it printed."""

    __test__ = False

    home: Path
    process: subprocess.Popen[str]
    lines: list[dict[str, Any]] = field(default_factory=list)

    @property
    def validators(self) -> list[dict[str, Any]]:
        return self.lines[0]["validators"]

    @property
    def apis(self) -> list[str]:
        return [validator["api"] for validator in self.validators]

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [line for line in self.lines[1:] if line["event"] == kind]

    def pids(self) -> list[int]:
        """Every process that was ever told of."""
        told = [*self.validators, *self.events("answers")]
        return sorted({pid for one in told for pid in one["pids"]})

    def ask(self, number: int, *words: object) -> dict[str, Any]:
        """The reply of a command that asks validator `number`, and succeeds."""
        line = [*COMMAND, "--json", *map(str, words)]
        done = subprocess.run(
            line,
            env=environment(self.home, self.apis[number]),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return json.loads(done.stdout)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal the supervisor; its exit status."""
        self.process.send_signal(number)
        return self.process.wait(60)

    def logs(self) -> str:
        paths = sorted(self.home.glob("validators/*/node.log"))
        return "\n".join(f"{path}:\n{path.read_text()[-3000:]}" for path in paths)


def health(api: str) -> dict[str, Any]:
    return httpx.get(f"{api}/health", timeout=10, trust_env=False).json()


def app_hashes(network: Testnet) -> set[str]:
    return {health(api)["app_hash"] for api in network.apis}


@contextmanager
def run_network(home: Path, *words: object) -> Iterator[Testnet]:
    """A network all of whose validators answer; at the end none of its processes is left."""
    process = subprocess.Popen(
        [*COMMAND, "--json", "testnet", *map(str, words)],
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    network = Testnet(home, process)
    errors: list[str] = []
    readers = [
        threading.Thread(target=_read, args=(process.stdout, network.lines, json.loads)),
        threading.Thread(target=_read, args=(process.stderr, errors, str)),
    ]
    for reader in readers:
        reader.start()
    try:
        eventually(lambda: network.lines or process.poll() is not None, "all validators answer")
        assert network.lines, errors
        yield network
    except BaseException:
        print(*errors, network.logs(), sep="\n")
        raise
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)
        for reader in readers:
            reader.join()
    eventually(lambda: not any(alive(pid) for pid in network.pids()), "all are gone", within=20)


def _read(stream: Any, kept: list[Any], parse: Any) -> None:
    with stream:
        for line in stream:
            kept.append(parse(line))
