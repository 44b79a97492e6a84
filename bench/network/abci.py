"""What a message costs the ABCI server: CheckTx, many at once, with nothing behind it to do."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import socket
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from synnergy.engines.abci import abci_pb2 as abci
from synnergy.engines.abci.frames import encode_frame
from synnergy.engines.abci.handler import Handler
from synnergy.engines.abci.server import AbciServer

#: Bytes of a transaction, as in the other benchmarks of networks.
ENTRY_BYTES = 250
#: CometBFT writes its requests in pieces of this size.
WRITTEN_BYTES = 4096
MESSAGES = 100_000
#: An accepted CheckTx without anything else, in its frame.
ANSWER = bytes.fromhex("024a00")


class Accepting(Handler):
    """Finds every transaction good."""

    def check_txs(self, requests: Sequence[abci.RequestCheckTx]) -> list[abci.ResponseCheckTx]:
        return [abci.ResponseCheckTx() for _ in requests]


def measure_abci(messages: int = MESSAGES) -> float:
    """Microseconds of this process's processor time for each CheckTx; the client is another."""
    faults: list[BaseException] = []
    spawning = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        server = AbciServer(Path(folder) / "abci.sock", Accepting(), faults.append)
        server.start()
        try:
            ours, theirs = spawning.Pipe()
            client = spawning.Process(target=_ask, args=(server.path, messages, theirs))
            client.start()
            ours.recv()
            begin = time.process_time()
            ours.send("go")
            ours.recv()
            taken = time.process_time() - begin
            client.join()
        finally:
            server.stop()
    if faults:
        raise faults[0]
    return taken / messages * 1e6


def _ask(path: Path, messages: int, pipe: multiprocessing.connection.Connection) -> None:
    """Send CheckTx as fast as they are taken, read the answers beside, and say when all came."""
    request = abci.Request(check_tx=abci.RequestCheckTx(tx=bytes(ENTRY_BYTES)))
    data = encode_frame(request.SerializeToString()) * messages
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        pipe.send("ready")
        pipe.recv()

        def send() -> None:
            for start in range(0, len(data), WRITTEN_BYTES):
                connection.sendall(data[start : start + WRITTEN_BYTES])

        sender = threading.Thread(target=send)
        sender.start()
        missing = messages * len(ANSWER)
        while missing:
            missing -= len(connection.recv(min(missing, 1 << 16)))
        sender.join()
    pipe.send("done")
