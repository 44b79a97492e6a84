"""The state machine that an engine drives: pure, deterministic, without clock or network.

    check → prepare → process → finalise → commit        query, quote, snapshot, restore

`finalise` changes nothing durable; `commit` writes the block, its state and everything beside it
in one synced write (CHAIN-5). The same transactions give the same app hashes on every machine.
"""

from __future__ import annotations

import sys
from collections import ChainMap, OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from synnergy.chain.archive import (
    Archived,
    Location,
    PayloadKey,
    WriteSet,
    apply_archived,
    entry_key,
    height_key,
    load_block,
    payload_database,
    payloads_of,
    save_receipts,
)
from synnergy.chain.beginning import begin, last_header
from synnergy.chain.block import (
    Proposal,
    StoredBlock,
    StoredTransaction,
    detach,
    previous_of,
    results_root,
    transactions_root,
)
from synnergy.chain.genesis import Genesis, chain_id_of
from synnergy.chain.payloads import Overwriter, PayloadChanges, next_expiry
from synnergy.chain.snapshot import Manifest, restore_snapshot, write_snapshot
from synnergy.chain.validators import reweighed
from synnergy.chain.verified import Authenticator
from synnergy.chain.versions import BadNode, activate, check_version, schedule_at
from synnergy.gas.schedule import Schedule
from synnergy.identity.authenticate import Transaction
from synnergy.opcodes.context import BlockInfo, Event, Payload
from synnergy.opcodes.licences import next_deadline, run_due
from synnergy.pipeline import (
    Executed,
    Surroundings,
    TransactionResult,
    admit,
    check_key,
    inadmissible,
    quote,
    reserve,
    run_transaction,
)
from synnergy.policy.engine import CompiledSet, compile_set
from synnergy.receipts.header import Header
from synnergy.receipts.proof import block_root
from synnergy.receipts.receipt import Receipt, receipt_leaf
from synnergy.rejected import Rejected
from synnergy.state import accumulator, records
from synnergy.state.journal import Journal
from synnergy.state.known import KnownRecords
from synnergy.state.merkle import Tree
from synnergy.state.proofs import StateProof, prove
from synnergy.state.store import Store
from synnergy.vm.cache import ProgramCache
from synnergy.wire.codec import decode_trusted, encode

#: Calls of this program's own that contracts calling each other take, and as many for whoever
#: called: what a transaction does never depends on how deep the stack was (CONTRACT-6).
STACK_FRAMES = 4_000
MAX_BLOCK_BYTES = 8 * 1024 * 1024


#: The envelopes that an engine keeps together: one, or those of a bundle.
Entry = tuple[bytes, ...]
#: Every transaction of a block is executed.
NOTHING_ARCHIVED: Mapping[int, Archived] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Queried:
    """`proof.value` under `proof.key` (None: absent) in the state with this app hash."""

    proof: StateProof
    height: int
    app_hash: bytes


@dataclass(frozen=True, slots=True)
class Finalised:
    """A block that was executed and is not yet durable.

    `validators` are the consensus keys whose voting power it changed, sorted, with the new power.
    """

    header: Header
    results: tuple[TransactionResult, ...]
    events: tuple[Event, ...]
    validators: tuple[tuple[bytes, int], ...]


@dataclass(frozen=True, slots=True)
class _Working:
    finalised: Finalised
    journal: Journal
    changes: list[tuple[bytes, bytes | None]]
    encoded_results: list[bytes]
    receipts: tuple[Receipt, ...]
    payloads: PayloadChanges
    stored: tuple[StoredTransaction, ...]
    writes: dict[int, WriteSet]
    accumulator_before: accumulator.Accumulator


class Application:
    """One chain's state machine over one store. Driven by one thread; queries use snapshots."""

    def __init__(self, store: Store, genesis: Genesis, verifiers: Executor | None = None) -> None:
        """Open (or begin) the chain of `genesis`. Raises BadNode where that isn't possible.

        The threads of `verifiers` verify the signatures of a block before it is executed.
        """
        sys.setrecursionlimit(max(sys.getrecursionlimit(), STACK_FRAMES))
        self.store = store
        self.genesis = genesis
        self.chain_id = chain_id_of(genesis)
        #: Decodes and verifies a transaction; from any thread.
        self.authenticate = Authenticator(self.chain_id, verifiers)
        self._policies: OrderedDict[bytes, CompiledSet] = OrderedDict()
        #: The governance record that was last asked about, and the set that it names.
        self._ruling: tuple[records.Governance | None, CompiledSet | None] = (None, None)
        self._programs: dict[int, ProgramCache] = {}
        #: (committed height, height asked about), and the gas table of the latter.
        self._scheduled: tuple[tuple[int, int], Schedule] | None = None
        #: The overlay that was last checked against, at which height, and what surrounds it.
        self._checking: tuple[Journal, int, Surroundings] | None = None
        self._working: _Working | None = None
        known = store.get("meta", b"chain_id")
        if known is not None and known.decode() != self.chain_id:
            raise BadNode(
                f"the store is of chain {known.decode()}, the genesis of {self.chain_id}"
            )
        check_version(genesis.protocol_version, genesis.gas_version)
        self.overwriter = Overwriter(store)
        if known is None:
            begin(store, genesis)
        self.adopt()

    def adopt(self) -> None:
        """Take over what the store holds, be it another state than before (NET-32).

        Raises BadNode where that is damaged, or of a version that is not known here.
        """
        self._working = None
        self._known = KnownRecords()
        self._ruling = (None, None)
        self._tree = Tree(partial(self.store.get, "nodes"))
        self.header = last_header(self.store, self._tree.root)
        governance = self.governance()
        check_version(governance.protocol_version, governance.gas_version)
        self.next_schedule()

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

    def _working_journal(self) -> Journal:
        """As `journal`, with the records remembered; for the thread that commits."""
        get, scan = partial(self.store.get, "state"), partial(self.store.scan, "state")
        return Journal(get, scan, self._known)

    def governance(self) -> records.Governance:
        record = records.governance.load(self.journal(), records.SINGLE)
        if record is None:
            raise BadNode("the store has no governance record")
        return record

    def next_schedule(self) -> Schedule:
        """The gas table of the next block. Raises BadNode where its version is not known here."""
        return self._schedule_of(self.height + 1)

    def next_deadline(self) -> int | None:
        """When something falls due (ms); the solo engine makes a block then (MKT-8, ERASE-6)."""
        journal = self.journal()
        due = (next_deadline(journal), next_expiry(self.store.scan, journal))
        return min((time for time in due if time is not None), default=None)

    # ---- check, prepare, process -----------------------------------------------------------

    def check(self, raw: bytes, journal: Journal) -> Transaction | Rejected:
        """Whether a transaction may wait for a block. Runs no program and no tensor (TX-10).

        `journal` is the waiting room's overlay: nonces and reserved funds of those admitted so
        far are written there, so that a sender may have several transactions waiting.
        """
        known = self._checking
        if known is None or known[0] is not journal or known[1] != self.height:
            around = self.surroundings(self.height + 1, self.header.time, journal, {})
            known = self._checking = (journal, self.height, around)
        return self._check(raw, journal, known[2])

    def _check(self, raw: bytes, journal: Journal, around: Surroundings) -> Transaction | Rejected:
        transaction = self.authenticate(raw)
        if isinstance(transaction, Rejected):
            return transaction
        wallet = records.wallets.load(journal, transaction.body.sender)
        payer = check_key(transaction, wallet) or admit(transaction, wallet, journal, around)
        if isinstance(payer, Rejected):
            return payer
        reserve(transaction, journal, payer)
        return transaction

    def prepare(self, waiting: Sequence[bytes]) -> tuple[bytes, ...]:
        """The first of `waiting` that fit a block by bytes and gas; what fails a check is left."""
        chosen = self.prepare_entries([(raw,) for raw in waiting])
        return tuple(raw for (raw,) in chosen)

    def prepare_entries(
        self, waiting: Sequence[Entry], max_bytes: int = MAX_BLOCK_BYTES
    ) -> tuple[Entry, ...]:
        """As `prepare`, for envelopes that come together; no entry is rewritten (NET-20).

        Left are entries that carry something unauthentic, those that no block has gas for, and
        those of which nothing passes its check.
        """
        journal = self._working_journal()
        around = self.surroundings(self.height + 1, self.header.time, journal, {})
        room = min(max_bytes, MAX_BLOCK_BYTES)
        gas = most = around.schedule.limits["block"].gas
        chosen: list[Entry] = []
        self.authenticate.ahead([raw for entry in waiting for raw in entry])
        for entry in waiting:
            authentic = [self.authenticate(raw) for raw in entry]
            transactions = [one for one in authentic if isinstance(one, Transaction)]
            needed = sum(transaction.body.gas_limit for transaction in transactions)
            if len(transactions) < len(entry) or needed > most:
                continue
            checked = [self._check(raw, journal, around) for raw in entry]
            if all(isinstance(one, Rejected) for one in checked):
                continue
            room -= sum(map(len, entry))
            gas -= needed
            if room < 0 or gas < 0:
                break
            chosen.append(entry)
        return tuple(chosen)

    def process(self, proposal: Proposal) -> Rejected | None:
        """Refuse a proposal that is wrong on its face: order, size, encoding, signatures."""
        if proposal.height != self.height + 1 or proposal.time < self.header.time:
            return Rejected("CHAIN-6", "bad_proposal", "the height or time does not follow")
        if sum(map(len, proposal.transactions)) > MAX_BLOCK_BYTES:
            return Rejected("CHAIN-6", "bad_proposal", "the block is too large")
        gas = 0
        for index, transaction in enumerate(self.authenticate.each(proposal.transactions)):
            if isinstance(transaction, Rejected):
                return Rejected(
                    "CHAIN-6", "bad_proposal", f"transaction {index}: {transaction.message}"
                )
            gas += transaction.body.gas_limit
        if gas > self.next_schedule().limits["block"].gas:
            return Rejected("CHAIN-6", "bad_proposal", "the block's gas limits exceed its own")
        return None

    # ---- finalise, commit ------------------------------------------------------------------

    def finalise(
        self, proposal: Proposal, archived: Mapping[int, Archived] = NOTHING_ARCHIVED
    ) -> Finalised:
        """Execute a block. Deterministic; nothing is durable until `commit`.

        `archived`, by index, is taken for what those transactions do instead of executing them:
        for replays that lack their payloads (CHAIN-13).
        """
        self._tree.discard()
        journal = self._working_journal()
        before = records.receipts_root.load(journal, records.SINGLE)
        assert before is not None
        payloads = PayloadChanges(self.store.get, proposal.height, proposal.time)
        events = activate(journal, proposal.height) + run_due(journal, proposal.time)
        executed: list[Executed] = []
        stored: list[StoredTransaction] = []
        writes: dict[int, WriteSet] = {}
        carried: dict[PayloadKey, Payload] = {}
        at_hand = ChainMap(carried, payloads.kept)
        around = self.surroundings(proposal.height, proposal.time, journal, at_hand)
        for index, raw in enumerate(proposal.transactions):
            if index in archived:
                kept = archived[index]
                payloads.keep(kept.chunks)
                stored.append(kept.stored)
                writes[index] = kept.writes
                executed.append(apply_archived(kept, journal))
                continue
            transaction = self.authenticate(raw)
            if not isinstance(transaction, Transaction):
                stored.append(StoredTransaction(True, raw))
                executed.append(inadmissible(bytes(32), transaction))
                continue
            stored.append(detach(transaction))
            carried.clear()
            carried.update(payloads_of(transaction))
            if any(attachment.salt for attachment in transaction.attachments):
                mark = journal.checkpoint()
                done = run_transaction(transaction, journal, around)
                writes[index] = WriteSet(tuple(journal.written(mark)))
                journal.commit(mark)
            else:
                done = run_transaction(transaction, journal, around)
            if done.result.status != "inadmissible":
                payloads.keep(carried)
            elif carried:
                writes[index] = WriteSet(())
            for commitment, output in done.outputs:
                payloads.keep({(payload_database(output.salt), commitment): output})
            payloads.erase(done.erasures, transaction.id, journal)
            executed.append(done)
        receipts = tuple(receipt for done in executed for receipt in done.receipts)
        if receipts:
            root = block_root([receipt_leaf(receipt) for receipt in receipts])
            records.receipts_root.save(journal, records.SINGLE, accumulator.append(before, root))
        results = tuple(done.result for done in executed)
        encoded = [encode(result) for result in results]
        changes = journal.changes()
        header = Header(
            chain_id=self.chain_id,
            height=proposal.height,
            time=proposal.time,
            previous=previous_of(self.genesis, self.header),
            app_hash=self._tree.update(changes),
            transactions=transactions_root(tuple(stored)),
            results=results_root(results, tuple(events), encoded),
        )
        finalised = Finalised(header, results, tuple(events), reweighed(self.store.get, changes))
        self._working = _Working(
            finalised, journal, changes, encoded, receipts, payloads, tuple(stored), writes, before
        )
        return finalised

    def commit(self, signature: bytes = b"") -> Header:
        """Make the finalised block durable in one synced write, and the committed state."""
        working = self._working
        if working is None:
            raise RuntimeError("there is no finalised block to commit")
        header = working.finalised.header
        height = height_key(header.height)
        with self.store.write() as batch:
            batch.change("state", working.changes)
            self._tree.flush(partial(batch.change, "nodes"))
            block = StoredBlock(header, signature, working.stored, working.finalised.events)
            batch.put("blocks", height, encode(block))
            for index, result in enumerate(working.finalised.results):
                batch.put(
                    "results", entry_key(header.height, index), working.encoded_results[index]
                )
                if result.status != "inadmissible":
                    location = Location(header.height, index)
                    batch.put("transactions", result.transaction, encode(location))
            for index, changes in working.writes.items():
                batch.put("writes", entry_key(header.height, index), encode(changes))
            retention = records.retention_of(working.journal)
            working.payloads.save(batch, retention, self.store.page_bytes)
            if working.finalised.validators:
                batch.put("changes", height, b"")
            if working.receipts:
                before = working.accumulator_before
                save_receipts(batch.put, header.height, working.receipts, before, self._tree)
            batch.put("meta", b"height", height)
        working.journal.remember()
        self.header = header
        self._working = None
        return header

    # ---- query -----------------------------------------------------------------------------

    def query(self, key: bytes) -> Queried:
        """What committed state holds under a raw key, with its proof; from any thread (CHAIN-3).

        Typed views for people and programs are in `chain/queries/`.
        """
        with self.store.snapshot() as view:
            value = view.get("state", key)
            proof = prove(Tree(partial(view.get, "nodes")), key, value)
            height = view.get("meta", b"height")
            block = None if height is None else load_block(view.get, int.from_bytes(height, "big"))
        if block is None:
            raise LookupError("the store has no last block")
        return Queried(proof, block.header.height, block.header.app_hash)

    # ---- quote -----------------------------------------------------------------------------

    def quote(self, transaction: Transaction) -> TransactionResult:
        """What a transaction would be charged in the next block, without running any model."""
        with self.store.snapshot() as view:
            journal = Journal(partial(view.get, "state"), partial(view.scan, "state"))
            carried = payloads_of(transaction)
            around = self.surroundings(self.height + 1, self.header.time, journal, carried)
            return quote(transaction, journal, around)

    # ---- snapshot, restore -----------------------------------------------------------------

    def snapshot(self, folder: Path) -> Manifest:
        """Write the committed state as a snapshot into an empty folder (CHAIN-10)."""
        with self.store.snapshot() as view:
            return write_snapshot(view, folder)

    @staticmethod
    def restore(store: Store, genesis: Genesis, folder: Path) -> Application:
        """The application as it was when the snapshot was taken. Raises RestoreFailed."""
        restore_snapshot(folder, store, genesis)
        return Application(store, genesis)

    # ---- inside ----------------------------------------------------------------------------

    def _schedule_of(self, height: int) -> Schedule:
        """The gas table of a block by committed state, looked up once for all that asks of it."""
        of = (self.height, height)
        scheduled = self._scheduled
        if scheduled is None or scheduled[0] != of:
            scheduled = self._scheduled = (of, schedule_at(self.journal(), height))
        return scheduled[1]

    def _programs_of(self, schedule: Schedule) -> ProgramCache:
        cache = self._programs.get(schedule.version)
        if cache is None:
            cache = self._programs[schedule.version] = ProgramCache(schedule.program_prices)
        return cache

    def surroundings(
        self, height: int, time: int, journal: Journal, payloads: Mapping[PayloadKey, Payload]
    ) -> Surroundings:
        """What a block gives its transactions; `payloads` are those of the block so far."""

        def artefact_chunk(digest: bytes) -> Payload | None:
            where = payload_database(b"")
            fresh = payloads.get((where, digest))
            if fresh is not None:
                return fresh
            stored = self.store.get(where, digest)
            return decode_trusted(stored, Payload) if stored is not None else None

        schedule = self._schedule_of(height)
        return Surroundings(
            block=BlockInfo(self.chain_id, height, time),
            schedule=schedule,
            policy=lambda: self.policy_in(journal),
            artefact_chunk=artefact_chunk,
            programs=self._programs_of(schedule),
        )

    def policy_in(self, journal: Journal) -> CompiledSet:
        """The compiled policy set in force as `journal` stands, compiled once for each text."""
        governance = records.governance.load(journal, records.SINGLE)
        assert governance is not None
        ruling, compiled = self._ruling
        if (
            governance is ruling and compiled is not None
        ):  # a version's text is written with the record that enacts it
            return compiled
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
        self._ruling = (governance, compiled)
        return compiled
