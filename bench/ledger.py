"""A ledger of many wallets for the benchmarks, driven block by block as an engine would."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from synnergy import opcodes
from synnergy.chain.application import Application
from synnergy.chain.block import Proposal
from synnergy.chain.genesis import Genesis, GenesisWallet
from synnergy.identity.keys import KeyPair
from synnergy.opcodes.ledger import Transfer
from synnergy.policy.texts import DEFAULT_SET
from synnergy.receipts.header import header_signing_bytes
from synnergy.state.store import Store
from synnergy.vm.templates import template
from synnergy.wire.codec import encode
from synnergy.wire.transaction import Body, BodySignature, Envelope, signing_bytes

START = 1_700_000_000_000
BALANCE = 1_000_000_000


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


def keyed_wallets(pairs: Sequence[KeyPair]) -> list[GenesisWallet]:
    return [
        GenesisWallet(pair.address, pair.public_key.hex(), "GB", ("consumer",), BALANCE)
        for pair in pairs
    ]


@dataclass
class BenchLedger:
    """Wallets whose keys are known send; any address may receive."""

    application: Application
    senders: Sequence[KeyPair]
    recipients: Sequence[str]
    nonces: dict[str, int] = field(default_factory=dict[str, int])
    random: random.Random = field(default_factory=lambda: random.Random(1))

    @staticmethod
    def open(path: Path, first: Genesis, senders: Sequence[KeyPair]) -> BenchLedger:
        assert opcodes.__all__
        application = Application(Store.open(path), first)
        return BenchLedger(application, senders, [wallet.address for wallet in first.wallets])

    def close(self) -> None:
        self.application.store.close()

    def transfers(self, count: int) -> list[bytes]:
        """Signed transfers between wallets drawn at random, valid in this order."""
        code = template("LEDGER_TRANSFER")
        made: list[bytes] = []
        for _ in range(count):
            pair = self.random.choice(self.senders)
            nonce = self.nonces.get(pair.address, 0)
            self.nonces[pair.address] = nonce + 1
            body = Body(
                chain_id=self.application.chain_id,
                sender=pair.address,
                nonce=nonce,
                gas_limit=20_000,
                gas_price=1,
                expiry_height=self.application.height + 1_000,
                code=code,
                data=encode(Transfer(self.random.choice(self.recipients), 1 + nonce)),
                attachments=(),
            )
            signature = BodySignature(pair.public_key, pair.sign(signing_bytes(body)))
            made.append(encode(Envelope(body, (signature,), ())))
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
