"""What an application behind the ABCI server answers: a method for each message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from synnergy.engines.abci import abci_pb2 as abci


class Handler(Protocol):
    """Answers CometBFT. Each connection calls from a thread of its own, one request at a time:
    `info` and `query`; the four of snapshots; `check_tx`; and the rest, which is consensus.

    An exception stops the node (ABCI-4), so what a request can be refused for is an answer; above
    all for `query`, in which anyone who reaches CometBFT's RPC may ask anything.
    """

    # -- query --

    def info(self, request: abci.RequestInfo) -> abci.ResponseInfo: ...

    def query(self, request: abci.RequestQuery) -> abci.ResponseQuery: ...

    # -- mempool --

    def check_tx(self, request: abci.RequestCheckTx) -> abci.ResponseCheckTx: ...

    def check_txs(self, requests: Sequence[abci.RequestCheckTx]) -> list[abci.ResponseCheckTx]:
        """An answer for each of those that arrived together, in their order (ABCI-3)."""
        return [self.check_tx(request) for request in requests]

    # -- snapshots --

    def list_snapshots(self, request: abci.RequestListSnapshots) -> abci.ResponseListSnapshots: ...

    def offer_snapshot(self, request: abci.RequestOfferSnapshot) -> abci.ResponseOfferSnapshot: ...

    def load_snapshot_chunk(
        self, request: abci.RequestLoadSnapshotChunk
    ) -> abci.ResponseLoadSnapshotChunk: ...

    def apply_snapshot_chunk(
        self, request: abci.RequestApplySnapshotChunk
    ) -> abci.ResponseApplySnapshotChunk: ...

    # -- consensus --

    def init_chain(self, request: abci.RequestInitChain) -> abci.ResponseInitChain: ...

    def prepare_proposal(
        self, request: abci.RequestPrepareProposal
    ) -> abci.ResponsePrepareProposal: ...

    def process_proposal(
        self, request: abci.RequestProcessProposal
    ) -> abci.ResponseProcessProposal: ...

    def extend_vote(self, request: abci.RequestExtendVote) -> abci.ResponseExtendVote:
        """A fault: no genesis of ours enables vote extensions (ABCI-7)."""
        raise RuntimeError(
            f"CometBFT asked to extend the vote for height {request.height}, but this chain has no"
            " vote extensions: vote_extensions_enable_height in its genesis must be 0"
        )

    def verify_vote_extension(
        self, request: abci.RequestVerifyVoteExtension
    ) -> abci.ResponseVerifyVoteExtension:
        """Refused, whatever it is (ABCI-7)."""
        return abci.ResponseVerifyVoteExtension(status=abci.ResponseVerifyVoteExtension.REJECT)

    def finalize_block(self, request: abci.RequestFinalizeBlock) -> abci.ResponseFinalizeBlock: ...

    def commit(self, request: abci.RequestCommit) -> abci.ResponseCommit: ...
