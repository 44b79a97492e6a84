"""ABCI's messages and the application's methods: one is said in terms of the other here.

What a block's entries carry is flattened; each entry's result tells of its transactions (NET-20).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from synnergy import __version__
from synnergy.chain.application import Application, Finalised
from synnergy.chain.block import Proposal, consensus_part
from synnergy.chain.genesis import APP_VERSION, BadGenesis, Genesis, decode_app_state
from synnergy.engines.abci import abci_pb2 as abci
from synnergy.engines.abci.handler import Handler
from synnergy.engines.cometbft.mempool import Mempool
from synnergy.engines.cometbft.snapshots import Snapshots
from synnergy.engines.report import tell_block
from synnergy.engines.waiting import WaitingRoom
from synnergy.pipeline import TransactionResult
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.wire.bundle import unbundle
from synnergy.wire.codec import Struct, encode
from synnergy.wire.types import Digest, Gas, ShortText

#: What an entry's result says to CometBFT: something of it took effect, or nothing did.
EFFECT, NO_EFFECT = 0, 1
PEER_BY_ID = "/p2p/filter/id/"
PEER_BY_ADDRESS = "/p2p/filter/addr/"
#: Of each entry in a proposal, what its tag and its length take at most.
_ENTRY_OVERHEAD = 8


class EntryResult(Struct, frozen=True):
    """What became of one transaction of an entry: `result` is the hash of what validators agree
    on of it (CHAIN-11)."""

    transaction: Digest
    status: ShortText
    code: ShortText
    gas_used: Gas
    result: Digest


@dataclass(slots=True)
class _Block:
    """The block under way: its entries, and how long the application took so far."""

    entries: tuple[bytes, ...]
    finalised: Finalised
    seconds: float


class Mismatch(RuntimeError):
    """CometBFT speaks of another chain than this node's; going on would answer wrong."""


class ApplicationHandler(Handler):
    """Answers for `application`. Each connection calls from a thread of its own.

    `committed` is called after each block, outside of all locks; `retain` says
    from which height on CometBFT must keep its blocks, 0: all.
    """

    def __init__(
        self,
        application: Application,
        room: WaitingRoom,
        mempool: Mempool,
        snapshots: Snapshots,
        committed: Callable[[], None],
        retain: Callable[[], int],
        trusted_peers: frozenset[str] = frozenset(),
        catching_up: Callable[[], bool] = lambda: True,
    ) -> None:
        self._application = application
        self._room = room
        self._mempool = mempool
        self._snapshots = snapshots
        self._committed = committed
        self._retain = retain
        self._trusted_peers = trusted_peers
        self._catching_up = catching_up
        self._block: _Block | None = None

    # ---- query -----------------------------------------------------------------------------

    def info(self, request: abci.RequestInfo) -> abci.ResponseInfo:
        height = self._application.height
        return abci.ResponseInfo(
            data="synnergy",
            version=__version__,
            app_version=APP_VERSION,
            last_block_height=height,
            last_block_app_hash=self._application.app_hash if height else b"",
        )

    def query(self, request: abci.RequestQuery) -> abci.ResponseQuery:
        """Whether a peer may connect; whatever else there is to ask, the node's API answers."""
        if request.path.startswith(PEER_BY_ADDRESS):
            return abci.ResponseQuery()  # ports are the kernel's choice: the id decides
        if request.path.startswith(PEER_BY_ID):
            return self._filter(request.path.removeprefix(PEER_BY_ID).lower())
        return abci.ResponseQuery(code=1, log=f"there is nothing to query at {request.path[:100]}")

    def _filter(self, node_id: str) -> abci.ResponseQuery:
        """Peers are the registered nodes; while it catches up also those that this node's own
        settings name, which may have been registered since (NET-42)."""
        nodes = records.validators.scan(self._application.journal())
        if any(node.node_id.hex() == node_id for _, node in nodes):
            return abci.ResponseQuery()
        if node_id in self._trusted_peers and self._catching_up():
            return abci.ResponseQuery()
        return abci.ResponseQuery(code=1, log=f"the node {node_id[:40]} is not registered")

    # ---- mempool ---------------------------------------------------------------------------

    def check_txs(self, requests: Sequence[abci.RequestCheckTx]) -> list[abci.ResponseCheckTx]:
        """Signatures of all that arrived together are verified first, on all threads."""
        new = [request.tx for request in requests if request.type == abci.NEW]
        self._application.authenticate.ahead([raw for entry in new for raw in _carried(entry)])
        return [self.check_tx(request) for request in requests]

    def check_tx(self, request: abci.RequestCheckTx) -> abci.ResponseCheckTx:
        if request.type == abci.RECHECK:
            if self._mempool.recheck(request.tx):
                return abci.ResponseCheckTx()
            return abci.ResponseCheckTx(code=NO_EFFECT, log="nothing of it waits any more")
        refused = self._mempool.check(request.tx)
        if refused is None:
            return abci.ResponseCheckTx()
        return abci.ResponseCheckTx(code=NO_EFFECT, log=str(refused), codespace=refused.code)

    # ---- consensus -------------------------------------------------------------------------

    def init_chain(self, request: abci.RequestInitChain) -> abci.ResponseInitChain:
        application = self._application
        if _genesis_of(request) != application.genesis:
            raise Mismatch(
                f"CometBFT begins {request.chain_id}, and this node's genesis is of"
                f" {application.chain_id}; both must read the same genesis.json"
            )
        return abci.ResponseInitChain(app_hash=application.app_hash)

    def prepare_proposal(
        self, request: abci.RequestPrepareProposal
    ) -> abci.ResponsePrepareProposal:
        entries = {unbundled: entry for entry in request.txs if (unbundled := _carried(entry))}
        most = request.max_tx_bytes - _ENTRY_OVERHEAD * len(request.txs)
        chosen = self._application.prepare_entries(tuple(entries), most)
        return abci.ResponsePrepareProposal(txs=[entries[entry] for entry in chosen])

    def process_proposal(
        self, request: abci.RequestProcessProposal
    ) -> abci.ResponseProcessProposal:
        refuse = abci.ResponseProcessProposal(status=abci.ResponseProcessProposal.REJECT)
        flat: list[bytes] = []
        for entry in request.txs:
            carried = _carried(entry)
            if not carried:
                return refuse
            flat += carried
        proposal = Proposal(request.height, milliseconds(request.time), tuple(flat))
        if self._application.process(proposal) is not None:
            return refuse
        return abci.ResponseProcessProposal(status=abci.ResponseProcessProposal.ACCEPT)

    def finalize_block(self, request: abci.RequestFinalizeBlock) -> abci.ResponseFinalizeBlock:
        begun = time.perf_counter()
        application = self._application
        if request.height != application.height + 1:
            raise Mismatch(
                f"CometBFT finalises block {request.height}, the state is of {application.height}"
            )
        # A malformed entry is a transaction that does not authenticate.
        carried = [_carried(entry) or (entry,) for entry in request.txs]
        flat = tuple(raw for entry in carried for raw in entry)
        application.authenticate.ahead(flat)
        proposal = Proposal(request.height, milliseconds(request.time), flat)
        finalised = application.finalise(proposal)
        self._block = _Block(tuple(request.txs), finalised, time.perf_counter() - begun)
        results: list[abci.ExecTxResult] = []
        position = 0
        for entry in carried:
            results.append(entry_result(finalised.results[position : position + len(entry)]))
            position += len(entry)
        return abci.ResponseFinalizeBlock(
            tx_results=results,
            validator_updates=[
                abci.ValidatorUpdate(pub_key=abci.PublicKey(ed25519=key), power=power)
                for key, power in finalised.validators
            ],
            app_hash=finalised.header.app_hash,
        )

    def commit(self, request: abci.RequestCommit) -> abci.ResponseCommit:
        block = self._block
        if block is None:
            raise Mismatch("CometBFT commits a block that was not finalised")
        begun = time.perf_counter()
        application = self._application
        with self._room.lock:
            header = application.commit()
            self._mempool.settle(header.height, block.finalised.results, block.entries)
            application.next_schedule()  # or no block follows, and the node stops here (CHAIN-7)
        self._block = None
        seconds = block.seconds + time.perf_counter() - begun
        tell_block(application, block.finalised, len(self._room), seconds)
        self._committed()
        return abci.ResponseCommit(retain_height=self._retain())

    # ---- snapshots -------------------------------------------------------------------------

    def list_snapshots(self, request: abci.RequestListSnapshots) -> abci.ResponseListSnapshots:
        return self._snapshots.list()

    def offer_snapshot(self, request: abci.RequestOfferSnapshot) -> abci.ResponseOfferSnapshot:
        return self._snapshots.offer(request)

    def load_snapshot_chunk(
        self, request: abci.RequestLoadSnapshotChunk
    ) -> abci.ResponseLoadSnapshotChunk:
        return self._snapshots.load(request)

    def apply_snapshot_chunk(
        self, request: abci.RequestApplySnapshotChunk
    ) -> abci.ResponseApplySnapshotChunk:
        return self._snapshots.apply(request)


def _genesis_of(request: abci.RequestInitChain) -> Genesis | None:
    """Our genesis, as CometBFT read it; None where that is no genesis of ours."""
    try:
        return decode_app_state(request.app_state_bytes)
    except BadGenesis:
        return None


def milliseconds(time: Timestamp) -> int:
    """Block time in ms UTC, rounded down: what the ledger knows of time."""
    return time.seconds * 1000 + time.nanos // 1_000_000


def entry_result(results: Sequence[TransactionResult]) -> abci.ExecTxResult:
    """What CometBFT's results hash covers of an entry: the same on every validator."""
    told = tuple(
        EntryResult(
            result.transaction,
            result.status,
            result.code,
            result.gas_used,
            hashlib.sha256(encode(consensus_part(result))).digest(),
        )
        for result in results
    )
    effect = any(result.status != "inadmissible" for result in results)
    return abci.ExecTxResult(
        code=EFFECT if effect else NO_EFFECT,
        data=encode(told),
        gas_used=sum(result.gas_used for result in results),
    )


def _carried(entry: bytes) -> tuple[bytes, ...]:
    """An entry's envelopes; none where it is malformed."""
    envelopes = unbundle(entry)
    return () if isinstance(envelopes, Rejected) else envelopes
