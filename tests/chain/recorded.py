"""The recorded chain: a fixed history, its header hashes and app hashes, block by block.

`python -m tests.chain.recorded` prints them; `python -m tests.chains.record` records them, and the
chain itself.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from synnergy.chain.archive import load_block
from synnergy.receipts.header import header_hash
from tests.chain.market import call, licensed
from tests.chain.script import play
from tests.ledger.harness import Ledger

VECTORS = Path(__file__).parent.parent / "vectors"
RECORD = VECTORS / "recorded_chain.json"


def rows() -> np.ndarray:
    """Measurements of flowers, as numbers that no library has to draw."""
    steps = np.arange(24, dtype=np.float32).reshape(6, 4)
    return (steps % np.float32(7)) * np.float32(0.9) + np.float32(0.1)


def record(ledger: Ledger) -> dict[str, list[str]]:
    """Play the history on an empty ledger, and close it; the hashes of every block."""
    play(ledger)
    for name in ("forest", "network"):
        content = (VECTORS / f"{name}.onnx").read_bytes()
        model, licence = licensed(ledger, content, name=name)
        for given in (rows(), rows()[:1]):
            result = ledger.block(call(ledger, model, licence, given))[0]
            assert result.status == "ok", result.message
    headers: list[str] = []
    app_hashes: list[str] = []
    for height in range(ledger.application.height + 1):
        block = load_block(ledger.store.get, height)
        assert block is not None
        headers.append(header_hash(block.header).hex())
        app_hashes.append(block.header.app_hash.hex())
    ledger.close()
    return {"headers": headers, "app_hashes": app_hashes}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = record(Ledger(Path(folder) / "data"))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
