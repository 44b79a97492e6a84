"""Snapshots for nodes that join: none is offered yet, and none is taken."""

from __future__ import annotations

from pathlib import Path

from synnergy.chain.application import Application, Finalised
from synnergy.engines.abci import abci_pb2 as abci


class Snapshots:
    """CometBFT's four messages about snapshots."""

    def __init__(self, application: Application, folder: Path) -> None:
        self._application = application
        self._folder = folder

    def committed(self, block: Finalised) -> None:
        """A block was committed."""

    def stop(self) -> None:
        """Finish."""

    def list(self) -> abci.ResponseListSnapshots:
        return abci.ResponseListSnapshots()

    def offer(self, request: abci.RequestOfferSnapshot) -> abci.ResponseOfferSnapshot:
        return abci.ResponseOfferSnapshot(result=abci.ResponseOfferSnapshot.ABORT)

    def load(self, request: abci.RequestLoadSnapshotChunk) -> abci.ResponseLoadSnapshotChunk:
        return abci.ResponseLoadSnapshotChunk()

    def apply(self, request: abci.RequestApplySnapshotChunk) -> abci.ResponseApplySnapshotChunk:
        return abci.ResponseApplySnapshotChunk(result=abci.ResponseApplySnapshotChunk.ABORT)
