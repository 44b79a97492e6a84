"""The cost of a transfer, and the memory of a node, with a million accounts."""

from __future__ import annotations

import gc
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.ledger import BenchLedger, key
from bench.row import Row, seconds
from synnergy.identity.address import derived_address
from synnergy.identity.keys import KeyPair

FEW, MANY = 1_000, 1_000_000
SENDERS = 20_000
PER_BLOCK = 500
BLOCKS = 8
WARM_UP = 3
MEGABYTE = 1_000_000


def rows(
    few: int = FEW, many: int = MANY, blocks: int = BLOCKS, per_block: int = PER_BLOCK
) -> list[Row]:
    """Time of a transfer among `many` accounts over that among `few`, and memory and disk.

    Of the many, 20,000 send; all may receive. In each block of either every transfer has a sender
    and a recipient to itself, so that both change as many records.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        small, large = _ledger(path / "few", few), _ledger(path / "many", many)
        # What the benchmark itself holds, such as a million addresses, is no node's garbage.
        gc.collect()
        gc.freeze()
        taken: list[tuple[float, float]] = []
        for _ in range(WARM_UP + blocks):
            batches = [ledger.apart(per_block) for ledger in (small, large)]
            taken.append(
                (
                    seconds(lambda batch=batches[1]: large.block(batch)),
                    seconds(lambda batch=batches[0]: small.block(batch)),
                )
            )
        gc.unfreeze()
        small.close()
        large.close()
        among_many = statistics.median(mine for mine, _ in taken[WARM_UP:])
        among_few = statistics.median(theirs for _, theirs in taken[WARM_UP:])
        ratio = statistics.median(mine / theirs for mine, theirs in taken[WARM_UP:])
        scale = 1e6 / per_block
        cost = Row(
            "cost_per_tx_1e6_vs_1e3_accounts",
            among_many * scale,
            "µs",
            f"the same among {few:,} accounts",
            among_few * scale,
            ratio,
        )
        # A node of its own: this process also holds what made the accounts.
        child = subprocess.run(
            [sys.executable, "-m", "bench.scale", str(path / "many"), str(min(SENDERS, many))],
            capture_output=True,
            text=True,
            check=True,
        )
        resident = int(child.stdout) * 1_024 / MEGABYTE
        stored = (path / "many" / "data.mdb").stat().st_blocks * 512 / MEGABYTE
    memory = Row(
        "memory_at_1e6_accounts",
        resident,
        "MB resident",
        "MB of store on disk",
        stored,
        resident / stored,
    )
    return [cost, memory]


def _ledger(path: Path, accounts: int) -> BenchLedger:
    senders = _senders(min(SENDERS, accounts))
    others = [
        derived_address("bench", number.to_bytes(8, "big"))
        for number in range(accounts - len(senders))
    ]
    return BenchLedger.open(path, senders, others)


def _senders(count: int) -> list[KeyPair]:
    return [key(number) for number in range(1, count + 1)]


def main() -> None:
    """Open the ledger at the path given, make a few blocks; print its resident kB."""
    ledger = BenchLedger.open(Path(sys.argv[1]), _senders(int(sys.argv[2])))
    ledger.resume()
    for _ in range(WARM_UP):
        ledger.block(ledger.transfers(PER_BLOCK))
    ledger.close()
    status = Path("/proc/self/status").read_text()
    print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


if __name__ == "__main__":
    main()
