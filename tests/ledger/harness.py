"""A ledger without engine or network, driven block by block with a clock of its own."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from synnergy import opcodes
from synnergy.chain.application import Application
from synnergy.chain.block import Proposal
from synnergy.chain.genesis import Genesis, GenesisWallet
from synnergy.identity.keys import KeyPair
from synnergy.opcodes import artefacts, models, regulation
from synnergy.pipeline import TransactionResult
from synnergy.policy.texts import DEFAULT_SET
from synnergy.receipts.header import header_signing_bytes
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.state.store import Store
from synnergy.tensor.encoding import encode_tensors
from synnergy.tensor.types import TensorType
from synnergy.vm.templates import template
from synnergy.wire.codec import Struct, decode, encode
from synnergy.wire.transaction import (
    Attachment,
    AttachmentReference,
    Body,
    BodySignature,
    Envelope,
    signing_bytes,
)

SUPPLY = 9 * 10**15
START = 1_700_000_000_000
DAY = 24 * 3600 * 1000


def key(name: str) -> KeyPair:
    """A wallet that is the same in every run."""
    return KeyPair.from_seed(hashlib.sha256(f"test wallet {name}".encode()).digest())


OPERATOR, REGULATOR, SECOND, PUBLISHER, CONSUMER, SIGNER = (
    key(name) for name in ("operator", "regulator", "second", "publisher", "consumer", "signer")
)


def genesis(**changes: object) -> Genesis:
    """Operator with the supply, two regulators (one must agree), a publisher, a consumer."""

    def wallet(
        pair: KeyPair, balance: int, *roles: str, jurisdiction: str = "GB"
    ) -> GenesisWallet:
        return GenesisWallet(
            pair.address,
            pair.public_key.hex(),
            jurisdiction,
            roles,
            balance,  # type: ignore[arg-type]
        )

    fields: dict[str, object] = {
        "format": 1,
        "name": "test",
        "time": START,
        "local_only": True,
        "wallets": (
            wallet(OPERATOR, SUPPLY - 4 * 10**12, "operator"),
            wallet(REGULATOR, 10**12, "regulator"),
            wallet(SECOND, 10**12, "regulator"),
            wallet(PUBLISHER, 10**12, "publisher"),
            wallet(CONSUMER, 10**12, "consumer"),
        ),
        "regulators": (REGULATOR.address, SECOND.address),
        "threshold": 1,
        "fee_account": OPERATOR.address,
        "minimum_gas_price": 1,
        "protocol_version": 1,
        "gas_version": 1,
        "policy": DEFAULT_SET,
        "signer": SIGNER.public_key.hex(),
    }
    return Genesis(**(fields | changes))  # type: ignore[arg-type]


class Ledger:
    """`send` makes a block of one transaction; `block` of any bytes."""

    def __init__(self, path: Path, first: Genesis | None = None) -> None:
        assert opcodes.__all__
        self.store = Store.open(path)
        self.application = Application(self.store, first or genesis())
        self.time = max(START, self.application.header.time)

    @property
    def state(self):  # a fresh view of committed state
        return self.application.journal()

    def close(self) -> None:
        self.store.close()

    def balance(self, address: str) -> int:
        account = records.accounts.load(self.state, address)
        return account.balance if account else 0

    def envelope(
        self,
        sender: KeyPair,
        verb: str,
        arguments: Struct | bytes,
        attachments: tuple[Attachment, ...] = (),
        *,
        code: bytes | None = None,
        signer: KeyPair | None = None,
        listed: tuple[AttachmentReference, ...] | None = None,
        **header: object,
    ) -> bytes:
        """A signed envelope; `header` overrides fields of the body."""
        account = records.accounts.load(self.state, sender.address)
        fields: dict[str, object] = {
            "chain_id": self.application.chain_id,
            "sender": sender.address,
            "nonce": account.nonce if account else 0,
            "gas_limit": 50_000_000,
            "gas_price": 1,
            "expiry_height": self.application.height + 100,
            "code": template(verb) if code is None else code,
            "data": arguments if isinstance(arguments, bytes) else encode(arguments),
            "attachments": (
                tuple(attachment.reference for attachment in attachments)
                if listed is None
                else listed
            ),
        }
        body = Body(**(fields | header))  # type: ignore[arg-type]
        pair = signer or sender
        signature = BodySignature(pair.public_key, pair.sign(signing_bytes(body)))
        return encode(Envelope(body, (signature,), attachments))

    def block(self, *raw: bytes, advance: int = 1_000) -> tuple[TransactionResult, ...]:
        """Execute and commit a block `advance` ms later; money is conserved after each."""
        self.time += advance
        application = self.application
        done = application.finalise(Proposal(application.height + 1, self.time, raw))
        application.commit(SIGNER.sign(header_signing_bytes(done.header)))
        assert_money_is_conserved(self)
        return done.results

    def send(
        self,
        sender: KeyPair,
        verb: str,
        arguments: Struct | bytes,
        *rest: object,
        **header: object,
    ) -> TransactionResult:
        """One verb in a block of its own."""
        return self.block(self.envelope(sender, verb, arguments, *rest, **header))[0]  # type: ignore[arg-type]

    def ok(self, sender: KeyPair, verb: str, arguments: Struct, *rest: object) -> bytes:
        """As `send`, must succeed; the program's output."""
        result = self.send(sender, verb, arguments, *rest)
        assert result.status == "ok", (result.rule, result.code, result.message)
        return result.output

    # ---- the main job's steps --------------------------------------------------------------

    def register(
        self, pair: KeyPair, *roles: str, jurisdiction: str = "GB", by: KeyPair = REGULATOR
    ) -> TransactionResult:
        statement = regulation.RegistrationStatement(pair.public_key, "")
        signature = pair.sign(regulation.statement_bytes(statement))
        arguments = regulation.Register(
            statement,
            signature,
            jurisdiction,
            tuple(sorted(roles)),
            None,  # type: ignore[arg-type]
        )
        return self.send(by, "REGULATION_REGISTER", arguments)

    def upload(self, content: bytes, publisher: KeyPair = PUBLISHER) -> bytes:
        """Commit to a file and send its chunks; the digest."""
        size = artefacts.CHUNK_BYTES
        chunks = [content[at : at + size] for at in range(0, len(content), size)]
        digest = hashlib.sha256(content).digest()
        digests = tuple(hashlib.sha256(chunk).digest() for chunk in chunks)
        self.ok(publisher, "MODEL_COMMIT", artefacts.Commit(digest, len(content), digests))
        for index, chunk in enumerate(chunks):
            self.ok(
                publisher,
                "MODEL_UPLOAD",
                artefacts.Upload(digest, index, 0),
                (Attachment(b"", chunk),),
            )
        return digest

    def publish(self, content: bytes, publisher: KeyPair = PUBLISHER, **changes: object) -> bytes:
        """Upload and publish; the model's id."""
        digest = self.upload(content, publisher)
        fields: dict[str, object] = {
            "digest": digest,
            "name": "model",
            "version": "1",
            "risk": "limited",
            "jurisdictions": (),
            "licence_text": None,
            "intended_use": None,
            "limitations": None,
            "allow_missing": False,
        }
        arguments = models.Publish(**(fields | changes))  # type: ignore[arg-type]
        output = self.ok(publisher, "MODEL_PUBLISH", arguments)
        published = decode(output, models.Published, 1_000)
        assert not isinstance(published, Rejected)
        return published.model

    def model(self, model: bytes) -> records.Model:
        record = records.models.load(self.state, model)
        assert record is not None
        return record

    def approval(self, model: bytes, **changes: object) -> models.Approve:
        record = self.model(model)
        fields: dict[str, object] = {
            "model": model,
            "digest": record.digest,
            "risk": record.risk,
            "jurisdictions": record.jurisdictions,
            "evidence": None,
            "until": 0,
        }
        return models.Approve(**(fields | changes))  # type: ignore[arg-type]

    def offer(
        self,
        model: bytes,
        price: int = 1_000,
        max_rows: int = 100,
        lasts: int = 365 * DAY,
        period: int = 0,
    ) -> TransactionResult:
        """Calls at `price` each, or, with a `period`, periods at that price."""
        record = self.model(model)
        publisher = next(
            pair for pair in (PUBLISHER, CONSUMER) if pair.address == record.publisher
        )
        prices = (0, price) if period else (price, 0)
        arguments = models.PutOffer(
            model, record.digest, prices[0], max_rows, lasts, prices[1], period
        )
        return self.send(publisher, "MODEL_OFFER", arguments)


def assert_money_is_conserved(ledger: Ledger) -> None:
    """LEDGER-3, recomputed from the records and not from the running totals."""
    state = ledger.state
    money = records.money.load(state, records.SINGLE)
    assert money is not None
    balances = sum(account.balance for _, account in records.accounts.scan(state))
    escrowed = sum(licence.escrow for _, licence in records.licences.scan(state))
    deposits = sum(artefact.deposit for _, artefact in records.artefacts.scan(state))
    assert (escrowed, deposits) == (money.escrowed, money.deposits)
    assert balances + escrowed + deposits == money.supply == SUPPLY


def tensors(**arrays: np.ndarray) -> bytes:
    """Canonical bytes of named input arrays."""
    names = {"float32": "float32", "float64": "float64", "int64": "int64", "bool": "bool"}
    return encode_tensors(
        [
            (name, TensorType(names.get(array.dtype.name, "string"), array.shape), array)
            for name, array in arrays.items()
        ]
    )


def salted(content: bytes, salt: bytes = b"s" * 32) -> Attachment:
    return Attachment(salt, content)
