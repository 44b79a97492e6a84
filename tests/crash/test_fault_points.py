"""CHAIN-5: wherever between executing and acknowledging a process ends, blocks stay whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from synnergy.chain.replay import replay
from synnergy.pipeline import TransactionResult
from synnergy.state.store import Batch
from synnergy.wire.codec import decode_trusted
from tests.crash.driver import LATE_WRITE, POINTS, STATUS
from tests.crash.load import envelope
from tests.ledger.harness import OPERATOR, Ledger, genesis

ROOT = Path(__file__).parent.parent.parent
HEIGHT = 4


@pytest.mark.parametrize("point", POINTS)
def test_the_store_holds_whole_blocks(tmp_path: Path, point: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.driver", str(tmp_path / "data"), point, str(HEIGHT)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == STATUS, done.stderr
    acknowledged = [line.split() for line in done.stdout.splitlines()]
    assert [int(height) for _, height in acknowledged] == list(range(1, HEIGHT))
    ledger = Ledger(tmp_path / "data")
    kept = ledger.application.height
    assert kept == (HEIGHT if POINTS[point] else HEIGHT - 1)
    for identifier, _ in acknowledged:
        assert ledger.store.get("transactions", bytes.fromhex(identifier)) is not None
    # The one that was under way is there whole or not at all, and can be sent again.
    identifier, raw = envelope(OPERATOR, HEIGHT - 1, ledger.application.chain_id)
    found = ledger.store.get("transactions", bytes.fromhex(identifier))
    assert (found is not None) is POINTS[point]
    results = [
        decode_trusted(value, TransactionResult)
        for _, value in ledger.store.scan("results", b"", None)
    ]
    assert len(results) == kept and all(result.status == "ok" for result in results)
    again = ledger.block(raw)[0]
    assert again.code == ("replayed" if POINTS[point] else "")
    ledger.close()
    replayed = replay(tmp_path / "data", genesis())
    assert (replayed.problem, replayed.height) == (None, kept + 1)


def test_the_middle_of_writing_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver's point lies inside a block's batch, not at its end."""
    ledger = Ledger(tmp_path / "data")
    keys: list[bytes] = []
    put = Batch.put

    def counted(self: Batch, database: str, key: bytes, value: bytes) -> None:
        keys.append(key)
        put(self, database, key, value)

    monkeypatch.setattr(Batch, "put", counted)
    ledger.block(envelope(OPERATOR, 0, ledger.application.chain_id)[1])
    ledger.close()
    assert 1 < LATE_WRITE < len(keys)
