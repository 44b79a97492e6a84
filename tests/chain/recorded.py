"""The recorded chain: a fixed history, its header hashes and app hashes, block by block.

`python -m tests.chain.recorded` prints them; `… --write` records them, which says: consensus has
changed, and this protocol version is not released yet.
"""

from __future__ import annotations

import json
import sys
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


def record(folder: Path) -> dict[str, list[str]]:
    """Play the history in `folder`; the hashes of every block."""
    ledger = Ledger(folder)
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
        found = record(Path(folder) / "data")
    if "--write" in sys.argv:
        RECORD.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
