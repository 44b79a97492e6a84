"""Steps that the tests of regulators, keys and versions share."""

from __future__ import annotations

import hashlib

from synnergy.identity.keys import KeyPair
from synnergy.opcodes import governance, regulation
from synnergy.pipeline import TransactionResult
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.wire.codec import decode
from tests.ledger.harness import Ledger


def new_key(name: str, wallet: KeyPair | None = None) -> KeyPair:
    """A key that is the same in every run; that of `wallet`, or of a wallet of its own."""
    seed = hashlib.sha256(f"rotated key {name}".encode()).digest()
    return KeyPair.from_seed(seed, wallet.address if wallet else None)


def rotation(
    ledger: Ledger, wallet: KeyPair, key: KeyPair, *, chain: str | None = None
) -> regulation.RotateKey:
    """The verb that gives `wallet` the key that `key` holds, on its own statement."""
    chain_id = ledger.application.chain_id if chain is None else chain
    statement = regulation.RotationStatement(wallet.address, key.public_key, chain_id)
    return regulation.RotateKey(statement, key.sign(regulation.rotation_bytes(statement)))


def rotate(ledger: Ledger, wallet: KeyPair, name: str, by: KeyPair | None = None) -> KeyPair:
    """Rotate a wallet's key, which must succeed; the key it has now."""
    key = new_key(name, wallet)
    ledger.ok(by or wallet, "REGULATION_ROTATE_KEY", rotation(ledger, wallet, key))
    return key


def members(*keys: KeyPair, threshold: int = 1) -> governance.SetRegulators:
    return governance.SetRegulators(tuple(sorted(key.address for key in keys)), threshold)


def agreement(result: TransactionResult) -> governance.Agreement:
    assert result.status == "ok", (result.rule, result.code, result.message)
    decoded = decode(result.output, governance.Agreement, 1_000)
    assert not isinstance(decoded, Rejected)
    return decoded


def wallet(ledger: Ledger, key: KeyPair) -> records.Wallet:
    found = records.wallets.load(ledger.state, key.address)
    assert found is not None
    return found


def reason(result: TransactionResult) -> tuple[str, str, str]:
    return result.status, result.rule, result.code
