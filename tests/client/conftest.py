"""A real ledger in this process, and a transport to it that can be made to fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from synnergy.api.app import create_app
from synnergy.api.node import Node as ServedNode
from synnergy.chain.application import Application
from synnergy.chain.genesis import Genesis
from synnergy.client.api import Node
from synnergy.client.genesis import NewLedger, begin, load_node_key
from synnergy.client.home import Home
from synnergy.client.keystore import unlock
from synnergy.client.transactions import Sender
from synnergy.engines.solo import SoloEngine
from synnergy.state.store import Store

Fault = Callable[[httpx.Request, Callable[[httpx.Request], httpx.Response]], httpx.Response]


def no_passphrase(wallet: str, new: bool) -> str:
    raise AssertionError(f"a passphrase of {wallet} was asked for ({new=})")


class FaultyTransport(httpx.BaseTransport):
    """Hands requests on, through `fault` where one is set; remembers what it carried."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self.inner = inner
        self.fault: Fault | None = None
        self.carried: list[tuple[str, str]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.carried.append((request.method, request.url.path))
        if self.fault is not None:
            return self.fault(request, self.inner.handle_request)
        return self.inner.handle_request(request)


@dataclass
class Ledger:
    home: Home
    genesis: Genesis
    transport: FaultyTransport
    application: Application
    node: Node
    senders: dict[str, Sender] = field(default_factory=dict[str, Sender])

    def sender(self, name: str) -> Sender:
        if name not in self.senders:
            keys = unlock(self.home.keystore, name, no_passphrase)
            self.senders[name] = Sender(self.node, keys, patience=5)
        return self.senders[name]

    def address(self, name: str) -> str:
        return self.sender(name).address


@pytest.fixture(scope="module")
def shared_ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    home = Home(tmp_path_factory.mktemp("ledger") / "home")
    started = begin(home, NewLedger(development=True), no_passphrase)
    store = Store.open(home.data)
    application = Application(store, started.genesis)
    engine = SoloEngine(application, load_node_key(home))
    engine.start()
    with TestClient(create_app(ServedNode(application, engine))) as served:
        transport = FaultyTransport(served._transport)
        with Node("http://ledger.test", transport) as node:
            yield Ledger(home, started.genesis, transport, application, node)
    engine.stop()
    store.close()


@pytest.fixture
def ledger(shared_ledger: Ledger) -> Iterator[Ledger]:
    """The module's ledger, its line mended after each test."""
    shared_ledger.transport.carried.clear()
    yield shared_ledger
    shared_ledger.transport.fault = None


@pytest.fixture
def keystore(tmp_path: Path) -> Path:
    return tmp_path / "keystore"
