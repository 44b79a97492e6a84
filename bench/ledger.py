"""A ledger of many wallets for the benchmarks, driven block by block as an engine would."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec

from synnergy import opcodes
from synnergy.chain.application import Application
from synnergy.chain.archive import height_key
from synnergy.chain.block import Proposal, StoredBlock
from synnergy.chain.genesis import Genesis, GenesisWallet
from synnergy.identity.keys import KeyPair
from synnergy.opcodes.ledger import Transfer
from synnergy.policy.texts import DEFAULT_SET
from synnergy.receipts.header import header_signing_bytes
from synnergy.state import records
from synnergy.state.merkle import Tree
from synnergy.state.store import Store
from synnergy.vm.templates import template
from synnergy.wire.codec import encode
from synnergy.wire.transaction import Attachment, Body, BodySignature, Envelope, signing_bytes

START = 1_700_000_000_000
BALANCE = 1_000_000_000
#: Of a transfer, with room to spare.
GAS_LIMIT = 20_000
LIFETIME = 100_000


def key(number: int) -> KeyPair:
    """Wallet `number`'s keys, the same in every run."""
    return KeyPair.from_seed(hashlib.sha256(f"bench wallet {number}".encode()).digest())


def genesis(wallets: Sequence[GenesisWallet]) -> Genesis:
    """One regulator (wallet 0) who also takes the fees, then `wallets`."""
    regulator = key(0)
    first = GenesisWallet(
        regulator.address, regulator.public_key.hex(), "GB", ("regulator",), BALANCE
    )
    return Genesis(
        format=1,
        name="bench",
        time=START,
        local_only=True,
        wallets=(first, *wallets),
        regulators=(regulator.address,),
        threshold=1,
        fee_account=regulator.address,
        minimum_gas_price=1,
        protocol_version=1,
        gas_version=1,
        policy=DEFAULT_SET,
        signer=regulator.public_key.hex(),
    )


def signed(
    pair: KeyPair,
    chain_id: str,
    nonce: int,
    verb: str,
    data: bytes,
    gas_limit: int,
    attachments: tuple[Attachment, ...] = (),
) -> bytes:
    """The envelope of one verb; it may be included until height `LIFETIME`."""
    body = Body(
        chain_id=chain_id,
        sender=pair.address,
        nonce=nonce,
        gas_limit=gas_limit,
        gas_price=1,
        expiry_height=LIFETIME,
        code=template(verb),
        data=data,
        attachments=tuple(attachment.reference for attachment in attachments),
    )
    signature = BodySignature(pair.public_key, pair.sign(signing_bytes(body)))
    return encode(Envelope(body, (signature,), attachments))


def keyed_wallets(pairs: Sequence[KeyPair]) -> list[GenesisWallet]:
    return [
        GenesisWallet(pair.address, pair.public_key.hex(), "GB", ("consumer",), BALANCE)
        for pair in pairs
    ]


def register(application: Application, addresses: Sequence[str], each: int = 50_000) -> None:
    """Write registered wallets with a balance straight into a new ledger's state.

    As blocks would: through journal, tree and store. The genesis block is then given the new
    state's root.
    """
    store = application.store
    tree = Tree(partial(store.get, "nodes"))
    known = records.wallets.load(application.journal(), key(1).address)
    assert known is not None
    wallet = msgspec.structs.replace(known, public_key=b"")
    for start in range(0, len(addresses), each):
        journal = application.journal()
        for address in addresses[start : start + each]:
            records.accounts.save(journal, address, records.Account(BALANCE, 0))
            records.wallets.save(journal, address, wallet)
        changes = journal.changes()
        tree.update(changes)
        with store.write() as batch:
            for raw, value in changes:
                assert value is not None
                batch.put("state", raw, value)
            tree.flush(partial(batch.change, "nodes"))
            header = msgspec.structs.replace(application.header, app_hash=tree.root)
            batch.put("blocks", height_key(0), encode(StoredBlock(header, b"", (), ())))


@dataclass
class BenchLedger:
    """Wallets whose keys are known send; any address may receive."""

    application: Application
    senders: Sequence[KeyPair]
    recipients: Sequence[str]
    nonces: dict[str, int] = field(default_factory=dict[str, int])
    random: random.Random = field(default_factory=lambda: random.Random(1))

    @staticmethod
    def open(
        path: Path,
        senders: Sequence[KeyPair],
        others: Sequence[str] = (),
        verifiers: Executor | None = None,
    ) -> BenchLedger:
        """A new ledger of these senders and of `others`, who only receive."""
        assert opcodes.__all__
        first = genesis(keyed_wallets(senders))
        application = Application(Store.open(path), first, verifiers)
        if others:
            register(application, others)
            application = Application(application.store, first, verifiers)
        return BenchLedger(application, senders, [*(pair.address for pair in senders), *others])

    def close(self) -> None:
        self.application.store.close()

    def resume(self) -> None:
        """Take the senders' nonces from the ledger."""
        state = self.application.journal()
        for pair in self.senders:
            account = records.accounts.load(state, pair.address)
            assert account is not None
            self.nonces[pair.address] = account.nonce

    def transfers(self, count: int) -> list[bytes]:
        """Signed transfers between wallets drawn at random, valid in this order."""
        pick = self.random.choice
        return self._signed(
            [(pick(self.senders), pick(self.recipients)) for _ in range(count)],
        )

    def apart(self, count: int) -> list[bytes]:
        """As `transfers`, between twice `count` different wallets drawn at random."""
        senders = self.random.sample(self.senders, count)
        taken = {pair.address for pair in senders}
        drawn = self.random.sample(self.recipients, 2 * count)
        free = [address for address in drawn if address not in taken]
        return self._signed(list(zip(senders, free, strict=False)))

    def _signed(self, pairs: Sequence[tuple[KeyPair, str]]) -> list[bytes]:
        made: list[bytes] = []
        for pair, recipient in pairs:
            nonce = self.nonces.get(pair.address, 0)
            self.nonces[pair.address] = nonce + 1
            data = encode(Transfer(recipient, 1 + nonce))
            chain_id = self.application.chain_id
            made.append(signed(pair, chain_id, nonce, "LEDGER_TRANSFER", data, GAS_LIMIT))
        return made

    def block(self, waiting: Sequence[bytes]) -> None:
        """Check, finalise and commit; every transaction must have gone through."""
        application = self.application
        chosen = application.prepare(list(waiting))
        time = application.header.time + 1_000
        done = application.finalise(Proposal(application.height + 1, time, chosen))
        application.commit(key(0).sign(header_signing_bytes(done.header)))
        assert len(done.results) == len(waiting)
        assert all(result.status == "ok" for result in done.results)
