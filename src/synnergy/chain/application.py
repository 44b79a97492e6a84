"""The state machine that an engine drives: pure, deterministic, without clock or network.

    check → prepare → process → finalise → commit        query, quote, snapshot, restore

`finalise` changes nothing durable; `commit` writes the block, its state and everything beside it
in one synced write (CHAIN-5). The same transactions give the same app hashes on every machine.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from synnergy.chain.block import (
    Proposal,
    StoredBlock,
    StoredTransaction,
    detach,
    results_root,
    transactions_root,
)
from synnergy.chain.genesis import Genesis, apply_genesis, chain_id_of, encode_genesis_file
from synnergy.gas.schedule import Schedule, ensure_gas_costs, load_schedule
from synnergy.identity.authenticate import Transaction, authenticate
from synnergy.opcodes.context import BlockInfo, Event, Payload
from synnergy.opcodes.licences import next_deadline, run_due
from synnergy.pipeline import (
    Executed,
    Surroundings,
    TransactionResult,
    admit,
    quote,
    run_transaction,
)
from synnergy.policy.engine import CompiledSet, compile_set
from synnergy.receipts.header import Header, header_hash
from synnergy.receipts.proof import ReceiptProof, block_root
from synnergy.receipts.receipt import Receipt, receipt_leaf
from synnergy.rejected import Rejected
from synnergy.state import accumulator, records
from synnergy.state.binary_merkle import merkle_path
from synnergy.state.journal import Journal
from synnergy.state.merkle import Tree
from synnergy.state.proofs import prove
from synnergy.state.store import Store
from synnergy.vm import catalogue
from synnergy.wire.codec import Struct, decode_trusted, encode
from synnergy.wire.transaction import Attachment, Envelope
from synnergy.wire.types import Count, Digest, Height

#: Protocol versions this node can execute.
PROTOCOL_VERSIONS = (1,)
MAX_BLOCK_BYTES = 8 * 1024 * 1024
#: Signatures verified when a transaction came in are not verified again in its block.
REMEMBERED_TRANSACTIONS = 20_000


class BadNode(Exception):
    """This node cannot serve this chain; the message names every reason."""


class StoredReceipt(Struct, frozen=True):
    """A receipt's canonical bytes and where its block keeps it."""

    leaf: bytes
    height: Height
    index: Count


class BlockReceipts(Struct, frozen=True):
    """What proves the receipts of one block: their ids in order and the accumulator's proof."""

    receipts: tuple[Digest, ...]
    proof: ReceiptProof


class Location(Struct, frozen=True):
    height: Height
    index: Count


@dataclass(frozen=True, slots=True)
class Finalised:
    """A block that was executed and is not yet durable."""

    header: Header
    results: tuple[TransactionResult, ...]
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class _Working:
    finalised: Finalised
    proposal: Proposal
    journal: Journal
    receipts: tuple[Receipt, ...]
    payloads: dict[bytes, Payload]
    stored: tuple[StoredTransaction, ...]
    accumulator_before: accumulator.Accumulator


class Application:
    """One chain's state machine over one store. Driven by one thread; queries use snapshots."""

    def __init__(self, store: Store, genesis: Genesis) -> None:
        """Open (or begin) the chain of `genesis`. Raises BadNode where this node can't serve it."""
        self.store = store
        self.genesis = genesis
        self.chain_id = chain_id_of(genesis)
        self._verified: OrderedDict[bytes, Transaction] = OrderedDict()
        self._policies: OrderedDict[bytes, CompiledSet] = OrderedDict()
        self._working: _Working | None = None
        known = store.get("meta", b"chain_id")
        if known is not None and known.decode() != self.chain_id:
            raise BadNode(
                f"the store is of chain {known.decode()}, the genesis of {self.chain_id}"
            )
        self._check_versions(genesis.protocol_version, genesis.gas_version)
        self._tree = Tree(partial(store.get, "nodes"))
        if known is None:
            self._begin()
        self.header = self._last_header()
        governance = self.governance()
        self._check_versions(governance.protocol_version, governance.gas_version)

    # ---- what is committed -----------------------------------------------------------------

    @property
    def height(self) -> int:
        return self.header.height

    @property
    def app_hash(self) -> bytes:
        return self.header.app_hash

    def journal(self) -> Journal:
        """A fresh overlay over committed state, to be thrown away or finalised."""
        return Journal(partial(self.store.get, "state"), partial(self.store.scan, "state"))

    def governance(self) -> records.Governance:
        record = records.governance.load(self.journal(), records.SINGLE)
        if record is None:
            raise BadNode("the store has no governance record")
        return record

    def next_deadline(self) -> int | None:
        """When something falls due (ms); the solo engine makes a block then (MKT-8)."""
        return next_deadline(self.journal())

    # ---- check, prepare, process -----------------------------------------------------------

    def authenticate(self, raw: bytes) -> Transaction | Rejected:
        """Decode and verify, remembering what verified (a miss is always verified)."""
        key = hashlib.sha256(raw).digest()
        known = self._verified.get(key)
        if known is not None:
            return known
        transaction = authenticate(raw, self.chain_id)
        if isinstance(transaction, Transaction):
            self._verified[key] = transaction
            while len(self._verified) > REMEMBERED_TRANSACTIONS:
                self._verified.popitem(last=False)
        return transaction

    def check(self, raw: bytes, journal: Journal) -> Transaction | Rejected:
        """Whether a transaction may wait for a block. Runs no program and no tensor (TX-10).

        `journal` is the waiting room's overlay: nonces and reserved funds of those admitted so
        far are written there, so that a sender may have several transactions waiting.
        """
        transaction = self.authenticate(raw)
        if isinstance(transaction, Rejected):
            return transaction
        around = self._surroundings(self.height + 1, self.header.time, journal, {})
        payer = admit(transaction, journal, around)
        if isinstance(payer, Rejected):
            return payer
        body = transaction.body
        for address, spent, nonces in (
            (payer, body.gas_limit * body.gas_price, 0),
            (body.sender, 0, 1),
        ):
            account = records.accounts.load(journal, address)
            assert account is not None
            records.accounts.save(
                journal, address, records.Account(account.balance - spent, account.nonce + nonces)
            )
        return transaction

    def prepare(self, waiting: list[bytes]) -> tuple[bytes, ...]:
        """The first of `waiting` that fit a block by bytes and gas; what fails a check is left."""
        journal = self.journal()
        room, gas = MAX_BLOCK_BYTES, self._schedule().limits["block"].gas
        chosen: list[bytes] = []
        for raw in waiting:
            transaction = self.check(raw, journal)
            if isinstance(transaction, Rejected):
                continue
            room -= len(raw)
            gas -= transaction.body.gas_limit
            if room < 0 or gas < 0:
                break
            chosen.append(raw)
        return tuple(chosen)

    def process(self, proposal: Proposal) -> Rejected | None:
        """Refuse a proposal that is wrong on its face: order, size, encoding, signatures."""
        if proposal.height != self.height + 1 or proposal.time < self.header.time:
            return Rejected("CHAIN-6", "bad_proposal", "the height or time does not follow")
        if sum(map(len, proposal.transactions)) > MAX_BLOCK_BYTES:
            return Rejected("CHAIN-6", "bad_proposal", "the block is too large")
        gas = 0
        for index, raw in enumerate(proposal.transactions):
            transaction = self.authenticate(raw)
            if isinstance(transaction, Rejected):
                return Rejected(
                    "CHAIN-6", "bad_proposal", f"transaction {index}: {transaction.message}"
                )
            gas += transaction.body.gas_limit
        if gas > self._schedule().limits["block"].gas:
            return Rejected("CHAIN-6", "bad_proposal", "the block's gas limits exceed its own")
        return None

    # ---- finalise, commit ------------------------------------------------------------------

    def finalise(self, proposal: Proposal) -> Finalised:
        """Execute a block. Deterministic; nothing is durable until `commit`."""
        self._tree.discard()
        journal = self.journal()
        before = records.receipts_root.load(journal, records.SINGLE)
        assert before is not None
        payloads: dict[bytes, Payload] = {}
        events = run_due(journal, proposal.time)
        executed: list[Executed] = []
        stored: list[StoredTransaction] = []
        around = self._surroundings(proposal.height, proposal.time, journal, payloads)
        for raw in proposal.transactions:
            kept, attachments = detach(raw)
            stored.append(kept)
            transaction = self.authenticate(raw)
            if isinstance(transaction, Transaction):
                for attachment in attachments:
                    parties = (transaction.body.sender,) if attachment.salt else ()
                    payloads[attachment.reference.commitment] = Payload(
                        attachment.salt, attachment.content, parties
                    )
            done = run_transaction(raw, journal, around)
            payloads.update(done.outputs)
            executed.append(done)
        receipts = tuple(receipt for done in executed for receipt in done.receipts)
        if receipts:
            root = block_root([receipt_leaf(receipt) for receipt in receipts])
            records.receipts_root.save(journal, records.SINGLE, accumulator.append(before, root))
        results = tuple(done.result for done in executed)
        header = Header(
            chain_id=self.chain_id,
            height=proposal.height,
            time=proposal.time,
            previous=header_hash(self.header),
            app_hash=self._tree.update(journal.changes()),
            transactions=transactions_root(proposal.transactions),
            results=results_root(results),
        )
        finalised = Finalised(header, results, tuple(events))
        self._working = _Working(
            finalised, proposal, journal, receipts, payloads, tuple(stored), before
        )
        return finalised

    def commit(self, signature: bytes = b"") -> Header:
        """Make the finalised block durable in one synced write, and the committed state."""
        working = self._working
        if working is None:
            raise RuntimeError("there is no finalised block to commit")
        header = working.finalised.header
        height = _height_key(header.height)
        with self.store.write() as batch:
            for key, value in working.journal.changes():
                if value is None:
                    batch.delete("state", key)
                else:
                    batch.put("state", key, value)
            self._tree.flush(partial(batch.put, "nodes"), partial(batch.delete, "nodes"))
            block = StoredBlock(header, signature, working.stored)
            batch.put("blocks", height, encode(block))
            for index, result in enumerate(working.finalised.results):
                batch.put("results", height + index.to_bytes(4, "big"), encode(result))
                if result.status != "inadmissible":
                    location = Location(header.height, index)
                    batch.put("transactions", result.transaction, encode(location))
            for commitment, payload in working.payloads.items():
                batch.put("payloads", commitment, encode(payload))
            if working.receipts:
                self._put_receipts(working, batch.put)
            batch.put("meta", b"height", height)
        self.header = header
        self._working = None
        return header

    def _put_receipts(self, working: _Working, put: Callable[[str, bytes, bytes], None]) -> None:
        height = working.finalised.header.height
        for index, receipt in enumerate(working.receipts):
            entry = StoredReceipt(receipt_leaf(receipt), height, index)
            put("receipts", receipt.id, encode(entry))
        key = records.receipts_root.raw_key(records.SINGLE)
        state = prove(self._tree, key, working.journal.get(key))
        leaves = [receipt_leaf(receipt) for receipt in working.receipts]
        proof = ReceiptProof(0, len(leaves), (), working.accumulator_before, state)
        ids = tuple(receipt.id for receipt in working.receipts)
        put("proofs", _height_key(height), encode(BlockReceipts(ids, proof)))

    # ---- quote -----------------------------------------------------------------------------

    def quote(self, transaction: Transaction) -> TransactionResult:
        """What a transaction would be charged in the next block, without running any model."""
        journal = self.journal()
        around = self._surroundings(self.height + 1, self.header.time, journal, {})
        return quote(transaction, journal, around)

    # ---- inside ----------------------------------------------------------------------------

    def _schedule(self) -> Schedule:
        return load_schedule(self.governance().gas_version)

    def _surroundings(
        self, height: int, time: int, journal: Journal, payloads: dict[bytes, Payload]
    ) -> Surroundings:
        def payload(commitment: bytes) -> Payload | None:
            fresh = payloads.get(commitment)
            if fresh is not None:
                return fresh
            stored = self.store.get("payloads", commitment)
            return decode_trusted(stored, Payload) if stored is not None else None

        return Surroundings(
            block=BlockInfo(self.chain_id, height, time),
            schedule=self._schedule(),
            authenticate=self.authenticate,
            policy=lambda: self.policy_in(journal),
            payload=payload,
        )

    def policy_in(self, journal: Journal) -> CompiledSet:
        """The compiled policy set in force as `journal` stands, compiled once for each text."""
        governance = records.governance.load(journal, records.SINGLE)
        assert governance is not None
        record = records.policies.load(journal, governance.policy_version)
        assert record is not None
        compiled = self._policies.get(record.hash)
        if compiled is None:
            made = compile_set(record.text)
            if isinstance(made, Rejected):
                raise BadNode(f"the policy set in state cannot be compiled here: {made}")
            compiled = self._policies[record.hash] = made
            while len(self._policies) > 4:
                self._policies.popitem(last=False)
        return compiled

    def _begin(self) -> None:
        journal = self.journal()
        apply_genesis(self.genesis, journal)
        root = self._tree.update(journal.changes())
        header = Header(self.chain_id, 0, self.genesis.time, bytes(32), root, bytes(32), bytes(32))
        with self.store.write() as batch:
            for key, value in journal.changes():
                assert value is not None
                batch.put("state", key, value)
            self._tree.flush(partial(batch.put, "nodes"), partial(batch.delete, "nodes"))
            batch.put("blocks", _height_key(0), encode(StoredBlock(header, b"", ())))
            batch.put("meta", b"height", _height_key(0))
            batch.put("meta", b"genesis", encode_genesis_file(self.genesis))
            batch.put("meta", b"chain_id", self.chain_id.encode())

    def _last_header(self) -> Header:
        height = self.store.get("meta", b"height")
        stored = self.store.get("blocks", height) if height is not None else None
        if stored is None:
            raise BadNode("the store has no last block")
        header = decode_trusted(stored, StoredBlock).header
        if header.app_hash != self._tree.root:
            raise BadNode(
                f"the state's root is {self._tree.root.hex()}, block {header.height} says"
                f" {header.app_hash.hex()}: the store is damaged"
            )
        return header

    def _check_versions(self, protocol: int, gas: int) -> None:
        """EnsureGasCosts, and that this node knows the versions in force (GAS-2, CHAIN-7)."""
        if protocol not in PROTOCOL_VERSIONS:
            raise BadNode(f"this node does not know protocol version {protocol}; upgrade it")
        names = [opcode.name for opcode in (*catalogue.core(), *catalogue.domain())]
        problems = ensure_gas_costs(load_schedule(gas), names)
        if problems:
            raise BadNode("the gas table does not fit: " + "; ".join(problems))


def _height_key(height: int) -> bytes:
    return height.to_bytes(8, "big")


def load_block(get: Callable[[str, bytes], bytes | None], height: int) -> StoredBlock | None:
    """The stored block at `height`, read through a store's or a snapshot's `get`."""
    stored = get("blocks", _height_key(height))
    return decode_trusted(stored, StoredBlock) if stored is not None else None


def load_receipt_proof(
    get: Callable[[str, bytes], bytes | None], entry: StoredReceipt
) -> ReceiptProof:
    """The proof of one receipt: its path among its block's, and the block's own proof."""
    stored = get("proofs", _height_key(entry.height))
    assert stored is not None
    block = decode_trusted(stored, BlockReceipts)
    leaves: list[bytes] = []
    for identifier in block.receipts:
        other = get("receipts", identifier)
        assert other is not None
        leaves.append(decode_trusted(other, StoredReceipt).leaf)
    return ReceiptProof(
        entry.index,
        len(leaves),
        merkle_path(leaves, entry.index),
        block.proof.before,
        block.proof.state,
    )


def reattach(get: Callable[[str, bytes], bytes | None], stored: StoredTransaction) -> bytes | None:
    """The envelope as it came, or None where a payload of it was erased."""
    if stored.whole:
        return stored.content
    kept = decode_trusted(stored.content, Envelope)
    attachments: list[Payload] = []
    for reference in kept.body.attachments:
        found = get("payloads", reference.commitment)
        if found is None:
            return None
        attachments.append(decode_trusted(found, Payload))
    whole = Envelope(
        kept.body,
        kept.signatures,
        tuple(Attachment(payload.salt, payload.content) for payload in attachments),
    )
    return encode(whole)
