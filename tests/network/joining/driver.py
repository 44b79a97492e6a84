"""`synnergy` with shorter times: payloads may be kept for seconds, and CometBFT rests as often.

The first argument is how long CometBFT runs at least before it rests, in seconds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

from synnergy.cli.main import run
from synnergy.engines.cometbft import pruning
from synnergy.opcodes import erasure

ROOT = Path(__file__).parents[3]


@contextmanager
def running(rest: float, log: Path, home: Path, listen: str) -> Iterator[Popen[bytes]]:
    """A node of a home in a process of its own, which ends with 0 when it is told to."""
    words = (str(rest), "--home", str(home), "start", "--listen", listen)
    command = [sys.executable, "-m", "tests.network.joining.driver", *words]
    with log.open("ab") as output, Popen(command, cwd=ROOT, stdout=output, stderr=output) as node:
        try:
            yield node
            node.terminate()
            assert node.wait(60) == 0, log.read_text()[-2_000:]
        finally:
            node.kill()


if __name__ == "__main__":
    erasure.LEAST_RETENTION = 1_000
    pruning.SHORTEST_RUN = float(sys.argv.pop(1))  # type: ignore[misc]
    pruning.PAUSE_SECONDS = 0.5  # type: ignore[misc]
    run()
