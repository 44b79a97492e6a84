"""A ledger that is ended again and again, in every way there is, and looked over each time.

`make crash RUNS=200`, or `python -m tests.crash.siege --runs 200`, prints how often each way came
and ends with an error at the first thing that is lost, doubled, halved or different.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from synnergy.chain.archive import Location
from synnergy.chain.replay import replay
from synnergy.pipeline import TransactionResult
from synnergy.state.store import Store
from synnergy.wire.codec import decode_trusted
from tests.crash.driver import POINTS, STATUS
from tests.crash.load import Load
from tests.crash.test_kill import make_home, started
from tests.ledger.harness import Ledger, genesis

ROOT = Path(__file__).parent.parent.parent
WRITING = ("at the first write", "in the middle of writing", "after the last write")
BEGINNING = {f"beginning, {point}": point for point in WRITING}
ENGINE_KILLED = "the engine killed at random"
NODE_KILLED = "the node killed at random"
WAYS = (*BEGINNING, *POINTS, ENGINE_KILLED, NODE_KILLED)
#: All that may lie in a home and its store; anything else is half of something.
FILES = {"genesis.json", "node_key.json", "data/data.mdb", "data/lock.mdb", "data/node.lock"}


@dataclass
class Siege:
    """One ledger: what it acknowledged, as heights by transaction, and how high it is."""

    moments: random.Random
    home: Path
    acknowledged: dict[str, int] = field(default_factory=dict[str, int])
    blocks: int = 0

    def end(self, way: str) -> None:
        """Go on with the ledger, end it in this way, look it over."""
        before = self.height()
        if way == NODE_KILLED:
            self.kill_node()
        elif way == ENGINE_KILLED:
            self.drive("never", 0, self.moments.uniform(0.02, 0.4))
        elif way in BEGINNING:
            self.drive(BEGINNING[way], 0, None)
            assert self.height() is None
        else:
            height = (before or 0) + self.moments.randint(1, 5)
            self.drive(way, height, None)
            assert self.height() == height - 1 + POINTS[way], way
        self.look_over()

    def drive(self, point: str, height: int, patience: float | None) -> None:
        """The driver until it ends itself, or, with `patience`, until it is killed."""
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.crash.driver", str(self.home / "data")),
                *(point, str(height)),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        first = ""
        if patience is not None:
            first = process.stdout.readline()
            time.sleep(patience)
            process.kill()
        said, problem = process.communicate(timeout=300)
        expected = STATUS if patience is None else -signal.SIGKILL
        assert process.returncode == expected, problem
        for line in (first + said).splitlines(keepends=True):
            if line.endswith("\n"):  # a line that was cut off acknowledged nothing
                identifier, at = line.split()
                self.remember(identifier, int(at))

    def kill_node(self) -> None:
        with started(self.home) as running:
            load = Load(running.url)
            load.start()
            time.sleep(self.moments.uniform(0.05, 0.7))
            assert running.end(signal.SIGKILL) == -signal.SIGKILL
        for one in load.finish():
            self.remember(one.transaction, one.height)

    def remember(self, identifier: str, height: int) -> None:
        assert identifier not in self.acknowledged, "acknowledged twice"
        self.acknowledged[identifier] = height

    def height(self) -> int | None:
        """Of the last whole block; None where the ledger never began."""
        if not (self.home / "data" / "data.mdb").exists():
            return None
        store = Store.open(self.home / "data")
        stored = store.get("meta", b"height")
        store.close()
        return None if stored is None else int.from_bytes(stored, "big")

    def look_over(self) -> None:
        """Everything acknowledged is there, blocks are whole, and a replay agrees."""
        found = {
            str(path.relative_to(self.home)) for path in self.home.rglob("*") if path.is_file()
        }
        assert found <= FILES, found - FILES
        ledger = Ledger(self.home / "data")
        try:
            store, height = ledger.store, ledger.application.height
            for identifier, at in self.acknowledged.items():
                where = store.get("transactions", bytes.fromhex(identifier))
                assert where is not None, f"{identifier} was acknowledged and is lost"
                assert decode_trusted(where, Location).height == at
            results = [
                decode_trusted(value, TransactionResult)
                for _, value in store.scan("results", b"", None)
            ]
            located = store.scan("transactions", b"", None)
            assert len(results) == len(located) >= len(self.acknowledged)
            assert all(result.status == "ok" for result in results)
            assert len(store.scan("blocks", b"", None)) == height + 1
            app_hash = ledger.application.app_hash
        finally:
            ledger.close()
        again = replay(self.home / "data", genesis())
        assert (again.problem, again.height, again.app_hash) == (None, height, app_hash)
        self.blocks = height


def besiege(runs: int, seed: int, folder: Path) -> Counter[str]:
    """End ledgers `runs` times, every way in turn; how often each way came. Asserts."""
    moments = random.Random(seed)
    total: Counter[str] = Counter()
    sieges: list[Siege] = []
    for run in range(runs):
        way = WAYS[run % len(WAYS)]
        if way in BEGINNING:  # a new ledger each time, the last of which then goes on
            sieges.append(Siege(moments, make_home(folder / f"home-{run}")))
        sieges[-1].end(way)
        total[way] += 1
    show(total, sieges, seed)
    return total


def show(total: Counter[str], sieges: list[Siege], seed: int) -> None:
    acknowledged = sum(len(siege.acknowledged) for siege in sieges)
    blocks = sum(siege.blocks for siege in sieges)
    table = Table("where it ended", "runs", "the block of that moment")
    for way in WAYS:
        then = {True: "is there", False: "is not"}.get(POINTS.get(way, way in BEGINNING))
        shown = "none" if way in BEGINNING else then if way in POINTS else "either"
        table.add_row(way, str(total[way]), shown)
    console = Console(width=100)
    console.print(table)
    console.print(
        f"{sum(total.values())} ends, {acknowledged} transactions acknowledged and none lost,"
        f" {blocks} blocks equal to their replay, no half-written files (seed {seed})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="siege")
    parser.add_argument("--runs", type=int, default=2 * len(WAYS))
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        besiege(asked.runs, asked.seed, Path(folder))


if __name__ == "__main__":
    main()
