"""One block of 10,000 transfers, as CometBFT would ask for it, without CometBFT."""

from __future__ import annotations

import tempfile
from pathlib import Path

from google.protobuf.timestamp_pb2 import Timestamp

from bench.ledger import BenchLedger, key
from bench.network.signing import BUNDLED
from bench.row import Row, seconds
from bench.transfers import verification
from synnergy.engines.abci import abci_pb2 as abci
from synnergy.engines.cometbft.handler import ApplicationHandler
from synnergy.engines.cometbft.mempool import Mempool
from synnergy.engines.cometbft.snapshots import Snapshots
from synnergy.engines.waiting import WaitingRoom
from synnergy.wire.bundle import bundle

TRANSFERS = 10_000
WALLETS = 1_000
MAX_BLOCK_BYTES = 10 * 1024 * 1024
#: Blocks until a snapshot is taken.
NO_SNAPSHOT = 1_000


def rows(transfers: int = TRANSFERS, wallets: int = WALLETS) -> list[Row]:
    """Seconds of FinalizeBlock and Commit of one block, checked and proposed before."""
    with tempfile.TemporaryDirectory() as folder:
        pairs = [key(number) for number in range(1, wallets + 1)]
        ledger = BenchLedger.open(Path(folder) / "data", pairs)
        application = ledger.application
        room = WaitingRoom(application, transfers)
        handler = ApplicationHandler(
            application,
            room,
            Mempool(application, room),
            Snapshots(application, Path(folder) / "snapshots", NO_SNAPSHOT, lambda: None),
            lambda: None,
            lambda: 0,
        )
        made = ledger.transfers(transfers)
        entries = [bundle(made[at : at + BUNDLED]) for at in range(0, transfers, BUNDLED)]
        for entry in entries:
            checked = handler.check_tx(abci.RequestCheckTx(tx=entry))
            assert checked.code == 0, checked.log
        now = Timestamp(seconds=application.header.time // 1_000 + 1)
        prepared = handler.prepare_proposal(
            abci.RequestPrepareProposal(
                txs=entries, height=1, time=now, max_tx_bytes=MAX_BLOCK_BYTES
            )
        )
        assert list(prepared.txs) == entries
        answer = handler.process_proposal(
            abci.RequestProcessProposal(txs=entries, height=1, time=now)
        )
        assert answer.status == abci.ResponseProcessProposal.ACCEPT

        def block() -> None:
            done = handler.finalize_block(
                abci.RequestFinalizeBlock(txs=entries, height=1, time=now)
            )
            assert all(result.code == 0 for result in done.tx_results)
            handler.commit(abci.RequestCommit())

        taken = seconds(block)
        peer = verification(ledger, made)
        ledger.close()
    return [Row("network_block_10000", taken, "s", "libsodium verify", peer, taken / peer)]
