"""Records the history of `tests/chain/` as the chain of protocol version 1, and its hashes.

`python -m tests.chains.record` says: consensus has changed, and version 1 is not released yet.
Once a version is released, its folder here is never written again.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tests.chain.recorded import RECORD, record
from tests.chains.recording import CHAINS, Recorder, Recording, write


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        ledger = Recorder(Path(folder) / "data")
        genesis = ledger.application.genesis
        found = record(ledger)
        write(CHAINS / "v1", Recording(genesis, tuple(ledger.blocks)))
    RECORD.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
