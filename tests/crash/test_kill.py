"""STATE-2, CHAIN-5: kill -9 at any moment loses nothing acknowledged, and halves no block.

`CRASH_RUNS=50 python -m pytest tests/crash/test_kill.py` for a longer siege.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from synnergy.chain.genesis import encode_genesis_file
from synnergy.chain.replay import replay
from synnergy.client.api import Node
from tests.crash.load import Acknowledged, Load, acknowledgement
from tests.ledger.harness import SIGNER, genesis

RUNS = int(os.environ.get("CRASH_RUNS", "8"))
#: The moments are random but the same in every run of the tests.
SEED = int(os.environ.get("CRASH_SEED", "1"))


def make_home(path: Path) -> Path:
    path.mkdir()
    (path / "genesis.json").write_bytes(encode_genesis_file(genesis()))
    (path / "node_key.json").write_text(json.dumps({"seed": SIGNER.seed.hex()}))
    return path


@dataclass
class Running:
    process: subprocess.Popen[str]
    url: str

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=120)
        return self.process.returncode


@contextmanager
def started(home: Path, *options: str) -> Iterator[Running]:
    """`synnergy start`, ready."""
    command = [sys.executable, "-m", "synnergy", "start", "--home", str(home)]
    process = subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    try:
        ready = process.stdout.readline()
        assert "http://" in ready, ready + process.stderr.read()
        url = next(word for word in ready.split() if word.startswith("http://"))
        yield Running(process, url)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def check_kept(node: Node, acknowledged: list[Acknowledged]) -> None:
    for one in acknowledged:
        found = node.transaction(one.transaction)
        assert found is not None, f"{one.transaction} was acknowledged and is lost"
        assert acknowledgement(found) == one


def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    moments = random.Random(SEED)
    everything: list[Acknowledged] = []
    last: list[Acknowledged] = []
    for _ in range(RUNS):
        with started(home) as running:
            with Node(running.url) as node:
                check_kept(node, last)
            load = Load(running.url)
            load.start()
            time.sleep(moments.uniform(0.05, 0.7))
            assert running.end(signal.SIGKILL) == -signal.SIGKILL
        last = load.finish()
        everything += last
    with started(home) as running:
        with Node(running.url) as node:
            check_kept(node, everything)
            health = node.health()
        assert running.end(signal.SIGTERM) == 0
    assert len({one.transaction for one in everything}) == len(everything)
    assert len(everything) > RUNS
    found = replay(home / "data", genesis())
    assert found.problem is None
    assert (found.height, found.app_hash.hex()) == (health.height, health.app_hash)
    assert found.height >= max(one.height for one in everything)
    print(f"{RUNS} kills, {len(everything)} acknowledged, {found.height} blocks, seed {SEED}")
