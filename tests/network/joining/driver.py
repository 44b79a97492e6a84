"""`synnergy` with shorter times: payloads may be kept for seconds, and CometBFT rests as often."""

from __future__ import annotations

from synnergy.cli.main import run
from synnergy.engines.cometbft import pruning
from synnergy.opcodes import erasure

if __name__ == "__main__":
    erasure.LEAST_RETENTION = 1_000
    pruning.SHORTEST_RUN = 10.0  # type: ignore[misc]
    pruning.PAUSE_SECONDS = 0.5  # type: ignore[misc]
    run()
