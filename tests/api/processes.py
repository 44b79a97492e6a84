"""A node in a process of its own, as `synnergy start` runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from synnergy.chain.genesis import Genesis, encode_genesis_file
from synnergy.identity.keys import KeyPair
from tests.api.support import SIGNER

RUN = """
import sys
from pathlib import Path
from synnergy.api.server import serve
serve(Path(sys.argv[1]), sys.argv[2], lambda url: print(url, flush=True))
"""


@dataclass
class Running:
    process: subprocess.Popen[str]
    url: str

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        return host, int(port)

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Signal the node; its exit status and what it wrote to standard error."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


def make_home(path: Path, first: Genesis, signer: KeyPair = SIGNER) -> Path:
    path.mkdir(parents=True)
    (path / "genesis.json").write_bytes(encode_genesis_file(first))
    (path / "node_key.json").write_text(json.dumps({"seed": signer.seed.hex()}))
    return path


@contextmanager
def node(
    home: Path, listen: str = "127.0.0.1:0", prelude: str = "", **environment: str
) -> Iterator[Running]:
    """A node that serves `home`; `prelude` is Python that its process runs first."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("SYNNERGY_")
    }
    process = subprocess.Popen(
        [sys.executable, "-c", prelude + RUN, str(home), listen],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=inherited | environment,
    )
    assert process.stdout is not None and process.stderr is not None
    try:
        url = process.stdout.readline().strip()
        assert url.startswith("http://"), process.stderr.read()
        yield Running(process, url)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
