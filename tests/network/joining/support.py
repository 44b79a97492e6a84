"""Ledgers of a network without the network, whose snapshots go from one to the other."""

from __future__ import annotations

import time
from pathlib import Path

from synnergy.chain.block import Proposal
from synnergy.engines.abci import abci_pb2 as abci
from synnergy.engines.cometbft.snapshots import Snapshots
from tests.ledger.harness import Ledger
from tests.network.membership.support import open_network


class Place:
    """A node's ledger, and its snapshots, which CometBFT would ask about."""

    def __init__(self, home: Path, interval: int = 2, **changes: object) -> None:
        self.home = home
        self.ledger: Ledger = open_network(home / "data", **changes)
        self.adopted = 0
        self.snapshots = Snapshots(
            self.ledger.application, home / "snapshots", interval, self._adopt
        )

    def _adopt(self) -> None:
        self.adopted += 1
        self.ledger.application.adopt()

    def block(self, *raw: bytes, advance: int = 1_000) -> None:
        """As CometBFT drives it: nobody signs the header."""
        application = self.ledger.application
        self.ledger.time += advance
        results = application.finalise(
            Proposal(application.height + 1, self.ledger.time, raw)
        ).results
        application.commit()
        assert [result.status for result in results] == ["ok"] * len(raw)
        self.snapshots.committed()

    def written(self) -> None:
        """Wait for the snapshot that is being written."""
        deadline = time.monotonic() + 60
        writer = self.snapshots._writer
        if writer is not None:
            writer.join(deadline - time.monotonic())
            assert not writer.is_alive()

    def close(self) -> None:
        self.snapshots.stop()
        self.ledger.close()


def offer(snapshot: abci.Snapshot, app_hash: bytes) -> abci.RequestOfferSnapshot:
    return abci.RequestOfferSnapshot(snapshot=snapshot, app_hash=app_hash)


def chunk_of(place: Place, snapshot: abci.Snapshot, index: int) -> bytes:
    request = abci.RequestLoadSnapshotChunk(
        height=snapshot.height, format=snapshot.format, chunk=index
    )
    return place.snapshots.load(request).chunk


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
