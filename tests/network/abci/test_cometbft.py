"""A real CometBFT drives a small application through the server."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from synnergy.engines.abci import abci_pb2 as abci
from synnergy.engines.abci import connection
from synnergy.engines.abci.handler import Handler
from synnergy.engines.cometbft.files import (
    SETTINGS_FORMAT,
    Layout,
    NodeSettings,
    create_keys,
    save_settings,
    socket_path,
    write_config,
)
from synnergy.engines.cometbft.process import CometProcess, Exit
from synnergy.engines.cometbft.rpc import CometRpc, CometUnreachable
from tests.network.abci.support import Noting, Served, served
from tests.network.support import eventually, free_ports


class Dictionary(Noting):
    """Transactions `key=value` go into a dictionary; nothing else is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.committed: dict[bytes, bytes] = {}
        self.height = 0
        self.chain_id = ""
        self.poison: bytes | None = None
        self._pending: tuple[int, dict[bytes, bytes]] = (0, {})

    def app_hash(self, state: dict[bytes, bytes]) -> bytes:
        return hashlib.sha256(repr(sorted(state.items())).encode()).digest()

    def info(self, request: abci.RequestInfo) -> abci.ResponseInfo:
        self.asked.append("info")
        app_hash = self.app_hash(self.committed) if self.height else b""
        return abci.ResponseInfo(
            data="dictionary",
            app_version=1,
            last_block_height=self.height,
            last_block_app_hash=app_hash,
        )

    def init_chain(self, request: abci.RequestInitChain) -> abci.ResponseInitChain:
        self.asked.append("init_chain")
        self.chain_id = request.chain_id
        return abci.ResponseInitChain(app_hash=self.app_hash({}))

    def query(self, request: abci.RequestQuery) -> abci.ResponseQuery:
        value = self.committed.get(request.data, b"")
        return abci.ResponseQuery(key=request.data, value=value, height=self.height)

    def check_tx(self, request: abci.RequestCheckTx) -> abci.ResponseCheckTx:
        return abci.ResponseCheckTx(code=0 if b"=" in request.tx else 7, log="key=value")

    def finalize_block(self, request: abci.RequestFinalizeBlock) -> abci.ResponseFinalizeBlock:
        self.asked.append("finalize_block")
        if self.poison in request.txs:
            raise RuntimeError("this block is executed by nobody")
        state = dict(self.committed)
        for tx in request.txs:
            key, _, value = tx.partition(b"=")
            state[key] = value
        self._pending = (request.height, state)
        return abci.ResponseFinalizeBlock(
            tx_results=[abci.ExecTxResult(data=tx) for tx in request.txs],
            app_hash=self.app_hash(state),
        )

    def commit(self, request: abci.RequestCommit) -> abci.ResponseCommit:
        self.asked.append("commit")
        self.height, self.committed = self._pending
        return abci.ResponseCommit()


@dataclass
class Chain:
    """A chain of one validator whose application is a handler of ours."""

    binary: Path
    layout: Layout
    settings: NodeSettings
    at_hand: Served
    rpc: CometRpc
    exits: list[Exit] = field(default_factory=list[Exit])
    processes: list[CometProcess] = field(default_factory=list[CometProcess])

    def start(self) -> CometProcess:
        process = CometProcess(self.binary, self.layout, self.exits.append)
        self.processes.append(process)
        process.start()
        eventually(lambda: self.reached(0), "an answer of CometBFT's RPC")
        return process

    def reached(self, height: int) -> bool:
        try:
            return self.rpc.status().sync_info.latest_block_height >= height
        except CometUnreachable:
            return False

    def put(self, entry: bytes) -> None:
        """Have an entry committed."""
        before = self.rpc.status().sync_info.latest_block_height
        assert self.rpc.broadcast_tx_sync(entry).code == 0
        eventually(lambda: self.reached(before + 2), "the block with an entry, and one more")

    def query(self, **parameters: str) -> dict[str, Any]:
        url = f"http://{self.settings.rpc}/abci_query"
        found = httpx.get(url, params=parameters, trust_env=False).json()
        return found["result"]["response"]


@contextmanager
def chain(home: Path, binary: Path, handler: Handler) -> Iterator[Chain]:
    p2p, rpc = free_ports(2)
    layout = Layout(home)
    create_keys(layout)
    settings = NodeSettings(SETTINGS_FORMAT, "single", f"127.0.0.1:{p2p}", f"127.0.0.1:{rpc}")
    save_settings(layout, settings)
    socket = socket_path(layout)
    write_config(layout, settings, socket)
    key = json.loads(layout.consensus_key.read_text())["pub_key"]
    genesis = {
        "genesis_time": "2026-01-01T00:00:00Z",
        "chain_id": "dictionary-1",
        "initial_height": "1",
        "validators": [{"pub_key": key, "power": "10", "name": "single"}],
        "app_hash": "",
        "app_state": {},
    }
    layout.genesis.write_text(json.dumps(genesis))
    with served(socket.parent, handler) as at_hand, CometRpc(settings.rpc) as client:
        made = Chain(binary, layout, settings, at_hand, client)
        try:
            yield made
        finally:
            for process in made.processes:
                process.stop()


def test_a_chain_is_made_through_the_server(
    tmp_path: Path, cometbft: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ABCI-1: CometBFT's own bytes hold no field that ours don't know, and come back the same."""
    frames: list[bytes] = []

    def noting(frame: bytes) -> tuple[str, Any]:
        decoded = decode(frame)
        frames.append(frame)
        return decoded

    decode = connection.decode_request
    monkeypatch.setattr(connection, "decode_request", noting)
    handler = Dictionary()
    with chain(tmp_path, cometbft, handler) as made:
        made.start()
        for number in range(3):
            made.put(b"key%d=value%d" % (number, number))
        assert made.rpc.broadcast_tx_sync(b"nothing").code == 7
        assert made.reached(3)
        assert handler.committed == {b"key%d" % n: b"value%d" % n for n in range(3)}
        found = made.query(data='"key1"')
        assert base64.b64decode(found["value"]) == b"value1"
        header = made.rpc.commit(3)["signed_header"]["header"]
        assert bytes.fromhex(header["app_hash"]) in {
            handler.app_hash({b"key%d" % n: b"value%d" % n for n in range(many)})
            for many in range(3)
        }
        # Text that is no UTF-8, which CometBFT's RPC hands on as it is (ABCI-4).
        refused = made.query(path="0xff")
        assert refused["code"] == 1 and refused["codespace"] == "abci"
        made.put(b"after=refusal")
    assert made.at_hand.faults == []
    assert handler.chain_id == "dictionary-1"
    requests = [abci.Request.FromString(frame) for frame in frames]
    names = {request.WhichOneof("value") for request in requests}
    assert names >= {
        "info", "init_chain", "query", "check_tx", "prepare_proposal", "process_proposal",
        "finalize_block", "commit",
    }  # fmt: skip
    for request, frame in zip(requests, frames, strict=True):
        request.DiscardUnknownFields()
        assert request.SerializeToString() == frame
    params = next(r.init_chain.consensus_params for r in requests if r.HasField("init_chain"))
    assert params.block.max_bytes > 0 and params.evidence.max_age_duration.seconds > 0
    assert list(params.validator.pub_key_types) == ["ed25519"]


def test_a_killed_cometbft_goes_on_with_the_same_server(tmp_path: Path, cometbft: Path) -> None:
    """ABCI-6"""
    handler = Dictionary()
    with chain(tmp_path, cometbft, handler) as made:
        first = made.start()
        made.put(b"before=1")
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)
        eventually(lambda: made.exits, "the end of what was killed")
        made.start()
        made.put(b"after=2")
        assert handler.committed == {b"before": b"1", b"after": b"2"}
    assert handler.asked.count("init_chain") == 1
    assert made.at_hand.faults == []


def test_a_fault_ends_cometbft_and_commits_nothing(tmp_path: Path, cometbft: Path) -> None:
    """ABCI-4; and a server that no longer fails is handed the same block again."""
    handler = Dictionary()
    with chain(tmp_path, cometbft, handler) as made:
        made.start()
        made.put(b"good=1")
        handler.poison = b"fatal=2"
        assert made.rpc.broadcast_tx_sync(b"fatal=2").code == 0
        assert "executed by nobody" in str(made.at_hand.fault())
        eventually(lambda: made.exits, "the end of CometBFT")
        made.at_hand.server.stop()
        assert handler.committed == {b"good": b"1"}
        handler.poison = None
        with served(made.at_hand.server.path.parent, handler) as again:
            made.start()
            eventually(lambda: b"fatal" in handler.committed, "the block that failed before")
            assert again.faults == []
            made.processes[-1].stop()
    assert handler.committed == {b"good": b"1", b"fatal": b"2"}
