"""A validator as two processes: started, asked, ended, frozen; with or without a namespace."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import httpx
import msgspec

from synnergy.client import replies
from synnergy.client.api import Node
from synnergy.engines.cometbft.files import Identity, Layout, NodeSettings
from synnergy.engines.cometbft.process import ENVIRONMENT_VARIABLE
from synnergy.state.store import Store
from tests.network.namespaces import Namespace

ROOT = Path(__file__).parent.parent.parent
#: Of a client of a validator that may be frozen, in seconds.
REPLY_SECONDS = 8.0
#: How a validator with a fault says in which block that is.
STRIKES = "strikes in block "


class _Reaching(httpx.BaseTransport):
    """HTTP into a validator's namespace, which gives up on who is frozen."""

    def __init__(self, place: Namespace | None) -> None:
        self._place = place
        self._http = httpx.HTTPTransport(verify=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        names = ("connect", "read", "write", "pool")
        request.extensions["timeout"] = dict.fromkeys(names, REPLY_SECONDS)
        with self._place.entered() if self._place is not None else nullcontext():
            return self._http.handle_request(request)

    def close(self) -> None:
        self._http.close()


@dataclass
class Validator:
    """One validator: its home, and its two processes where they run."""

    index: int
    home: Path
    settings: NodeSettings
    identity: Identity
    listen: str
    log: Path
    binary: Path
    place: Namespace | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def layout(self) -> Layout:
        return Layout(self.home)

    def start(self, *faults: str) -> None:
        """Start it, with faults of `tests.network.faults.driver` where any are named."""
        assert self.process is None or self.process.poll() is not None
        arguments = ["--home", str(self.home), "--listen", self.listen, "--engine", "cometbft"]
        program = "tests.network.faults.driver" if faults else "synnergy"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(self.place.prefix if self.place is not None else ()),
                    *(sys.executable, "-m", program),
                    *((*faults, "--") if faults else ()),
                    *("start", *arguments),
                ],
                cwd=ROOT,
                env=os.environ | {ENVIRONMENT_VARIABLE: str(self.binary)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    # ---- asking ----------------------------------------------------------------------------

    def node(self) -> Node:
        return Node(f"http://{self.listen}", _Reaching(self.place))

    def get(self, path: str) -> httpx.Response | None:
        """An answer, whatever its status; None where there is none."""
        try:
            return self._asked.get(f"http://{self.listen}{path}")
        except httpx.HTTPError:
            return None

    @cached_property
    def _asked(self) -> httpx.Client:
        return httpx.Client(transport=_Reaching(self.place))

    def health(self) -> replies.Health | None:
        """None where it doesn't answer, or halted."""
        answer = self.get("/health")
        if answer is None or answer.status_code != 200:
            return None
        return msgspec.json.decode(answer.content, type=replies.Health)

    def failure(self) -> str:
        """Why it halted, "" where it did not."""
        answer = self.get("/health")
        if answer is None or answer.status_code != 503:
            return ""
        return str(answer.json()["error"]["message"])

    @property
    def height(self) -> int:
        """Of its last block as it answers; -1 where it doesn't."""
        health = self.health()
        return health.height if health is not None else -1

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def said(self) -> str:
        """All that its processes wrote."""
        return self.log.read_text("utf-8", "replace")

    @property
    def struck(self) -> int:
        """The block in which its last fault was."""
        return int(self.said().rpartition(STRIKES)[2].split()[0])

    # ---- ending ----------------------------------------------------------------------------

    @property
    def comet(self) -> int:
        """CometBFT's process."""
        return int(self.layout.process.read_text("ascii"))

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the application a signal; its exit status once it is gone."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    def freeze(self) -> None:
        assert self.process is not None
        os.kill(self.comet, signal.SIGSTOP)
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
        os.kill(self.comet, signal.SIGCONT)

    def clean(self) -> None:
        """Leave no process behind, whatever state they are in."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()  # which ends CometBFT too
            self.process.wait()
        self._asked.close()

    def forget(self) -> None:
        """Make its home as new, but for its keys and for what its consensus key signed."""
        shutil.rmtree(self.home / "data")
        for path in (self.layout.root / "data").iterdir():
            if path != self.layout.consensus_state:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    # ---- what it keeps ---------------------------------------------------------------------

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Its store, beside the node where that runs."""
        store = Store.open(self.home / "data", readonly=True)
        try:
            yield store
        finally:
            store.close()

    def kept_height(self) -> int:
        with self.store() as store:
            height = store.get("meta", b"height")
        assert height is not None
        return int.from_bytes(height, "big")
