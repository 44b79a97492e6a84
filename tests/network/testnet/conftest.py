"""One CometBFT with its own key-value store, on a home that our code made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from synnergy.engines.cometbft.files import (
    SETTINGS_FORMAT,
    Layout,
    NodeSettings,
    create_keys,
    save_settings,
    write_config,
)
from synnergy.engines.cometbft.process import CometProcess, Exit, LogLine
from synnergy.engines.cometbft.rpc import CometRpc, CometUnreachable
from tests.network.support import eventually, free_ports


@dataclass
class Single:
    """A chain of one validator, whose application is CometBFT's own."""

    layout: Layout
    settings: NodeSettings
    binary: Path
    exits: list[Exit] = field(default_factory=list)
    lines: list[LogLine] = field(default_factory=list)

    def process(self) -> CometProcess:
        return CometProcess(self.binary, self.layout, self.exits.append, self.lines.append)

    def rpc(self) -> CometRpc:
        return CometRpc(self.settings.rpc)


def make_single(home: Path, binary: Path) -> Single:
    p2p, rpc = free_ports(2)
    layout = Layout(home)
    identity = create_keys(layout)
    settings = NodeSettings(SETTINGS_FORMAT, "single", f"127.0.0.1:{p2p}", f"127.0.0.1:{rpc}")
    save_settings(layout, settings)
    write_config(layout, settings, home / "unused.sock")
    config = layout.config.read_text().replace(f"unix://{home}/unused.sock", "kvstore")
    layout.config.write_text(config)
    key = json.loads(layout.consensus_key.read_text())["pub_key"]
    genesis = {
        "genesis_time": "2026-01-01T00:00:00Z",
        "chain_id": "single",
        "initial_height": "1",
        "validators": [{"pub_key": key, "power": "10", "name": identity.node_id[:8]}],
        "app_hash": "",
    }
    layout.genesis.write_text(json.dumps(genesis))
    return Single(layout, settings, binary)


@pytest.fixture
def single(tmp_path: Path, cometbft: Path) -> Single:
    return make_single(tmp_path / "home", cometbft)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, cometbft: Path) -> Iterator[CometRpc]:
    """The RPC of a chain of one validator that has made its first block."""
    single = make_single(tmp_path_factory.mktemp("running") / "home", cometbft)
    process = single.process()
    process.start()
    try:
        with single.rpc() as rpc:
            eventually(lambda: height(rpc) >= 1, "the first block")
            yield rpc
    finally:
        process.stop()


def height(rpc: CometRpc) -> int:
    try:
        return rpc.status().sync_info.latest_block_height
    except CometUnreachable:
        return -1
