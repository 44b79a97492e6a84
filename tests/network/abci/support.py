"""A client that speaks to the server in bytes, and a handler that notes what it is asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from synnergy.engines.abci import abci_pb2 as abci
from synnergy.engines.abci.frames import MAX_MESSAGE_BYTES, FrameReader, encode_frame
from synnergy.engines.abci.handler import Handler
from synnergy.engines.abci.server import AbciServer
from tests.network.support import PATIENCE


class Noting(Handler):
    """Answers everything with next to nothing, and notes what was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.batches: list[int] = []

    def info(self, request: abci.RequestInfo) -> abci.ResponseInfo:
        self.asked.append("info")
        return abci.ResponseInfo(data=request.version)

    def query(self, request: abci.RequestQuery) -> abci.ResponseQuery:
        self.asked.append("query")
        return abci.ResponseQuery(key=request.data, value=request.path.encode())

    def check_tx(self, request: abci.RequestCheckTx) -> abci.ResponseCheckTx:
        self.asked.append("check_tx")
        return abci.ResponseCheckTx(data=request.tx)

    def check_txs(self, requests: Sequence[abci.RequestCheckTx]) -> list[abci.ResponseCheckTx]:
        self.batches.append(len(requests))
        return super().check_txs(requests)

    def list_snapshots(self, request: abci.RequestListSnapshots) -> abci.ResponseListSnapshots:
        self.asked.append("list_snapshots")
        return abci.ResponseListSnapshots()

    def offer_snapshot(self, request: abci.RequestOfferSnapshot) -> abci.ResponseOfferSnapshot:
        self.asked.append("offer_snapshot")
        return abci.ResponseOfferSnapshot(result=abci.ResponseOfferSnapshot.REJECT)

    def load_snapshot_chunk(
        self, request: abci.RequestLoadSnapshotChunk
    ) -> abci.ResponseLoadSnapshotChunk:
        self.asked.append("load_snapshot_chunk")
        return abci.ResponseLoadSnapshotChunk(chunk=bytes(request.chunk))

    def apply_snapshot_chunk(
        self, request: abci.RequestApplySnapshotChunk
    ) -> abci.ResponseApplySnapshotChunk:
        self.asked.append("apply_snapshot_chunk")
        return abci.ResponseApplySnapshotChunk(result=abci.ResponseApplySnapshotChunk.ACCEPT)

    def init_chain(self, request: abci.RequestInitChain) -> abci.ResponseInitChain:
        self.asked.append("init_chain")
        return abci.ResponseInitChain()

    def prepare_proposal(
        self, request: abci.RequestPrepareProposal
    ) -> abci.ResponsePrepareProposal:
        self.asked.append("prepare_proposal")
        return abci.ResponsePrepareProposal(txs=request.txs)

    def process_proposal(
        self, request: abci.RequestProcessProposal
    ) -> abci.ResponseProcessProposal:
        self.asked.append("process_proposal")
        return abci.ResponseProcessProposal(status=abci.ResponseProcessProposal.ACCEPT)

    def finalize_block(self, request: abci.RequestFinalizeBlock) -> abci.ResponseFinalizeBlock:
        self.asked.append("finalize_block")
        return abci.ResponseFinalizeBlock(
            tx_results=[abci.ExecTxResult() for _ in request.txs], app_hash=b"\1" * 32
        )

    def commit(self, request: abci.RequestCommit) -> abci.ResponseCommit:
        self.asked.append("commit")
        return abci.ResponseCommit()


class Client:
    """A connection to the server, read and written in bytes."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(str(path))
        self._reader = FrameReader()
        self._answers: list[abci.Response] = []

    def send(self, *requests: abci.Request) -> None:
        frames = (encode_frame(request.SerializeToString()) for request in requests)
        self.socket.sendall(b"".join(frames))

    def receive(self, count: int) -> list[abci.Response]:
        """The next answers; fewer where the server closed before."""
        while len(self._answers) < count:
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionResetError:
                data = b""
            if not data:
                break
            self._answers += map(abci.Response.FromString, self._reader.feed(data))
        answers, self._answers = self._answers[:count], self._answers[count:]
        return answers

    def ask(self, request: abci.Request) -> abci.Response:
        self.send(request)
        return self.receive(1)[0]

    def rest(self) -> list[abci.Response]:
        """All answers until the server closes."""
        return self.receive(1 << 30)

    def close(self) -> None:
        self.socket.close()


@dataclass
class Served:
    """A server, and the faults that it told of."""

    server: AbciServer
    faults: list[BaseException] = field(default_factory=list[BaseException])
    told: threading.Event = field(default_factory=threading.Event)
    clients: list[Client] = field(default_factory=list[Client])

    def connect(self) -> Client:
        self.clients.append(Client(self.server.path))
        return self.clients[-1]

    def fault(self) -> BaseException:
        assert self.told.wait(PATIENCE), "no fault was told"
        return self.faults[0]


@contextmanager
def served(
    folder: Path, handler: Handler, max_message_bytes: int = MAX_MESSAGE_BYTES
) -> Iterator[Served]:
    def on_fault(error: BaseException) -> None:
        at_hand.faults.append(error)
        at_hand.told.set()

    server = AbciServer(folder / "abci.sock", handler, on_fault, max_message_bytes)
    at_hand = Served(server)
    server.start()
    try:
        yield at_hand
    finally:
        for client in at_hand.clients:
            client.close()
        server.stop()


def check_tx(tx: bytes) -> abci.Request:
    return abci.Request(check_tx=abci.RequestCheckTx(tx=tx))


def info(version: str = "") -> abci.Request:
    return abci.Request(info=abci.RequestInfo(version=version))


def query(data: bytes = b"") -> abci.Request:
    return abci.Request(query=abci.RequestQuery(data=data))


def flush() -> abci.Request:
    return abci.Request(flush=abci.RequestFlush())


class Held:
    """A point at which a handler waits until the test lets it go on."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._released = threading.Event()

    def wait(self) -> None:
        self.reached.set()
        assert self._released.wait(PATIENCE)

    def release(self) -> None:
        self._released.set()
