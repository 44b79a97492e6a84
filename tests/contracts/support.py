"""Deploying and calling on a ledger without engine or network."""

from __future__ import annotations

from synnergy.identity.keys import KeyPair
from synnergy.opcodes.contracts import CallContract, ContractCalled, Deploy, Deployed
from synnergy.pipeline import TransactionResult
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.wire.codec import decode, encode
from tests.contracts.puppet import puppet
from tests.ledger.harness import OPERATOR, Ledger


def deploy(ledger: Ledger, code: bytes | None = None, by: KeyPair = OPERATOR) -> str:
    """A puppet, or another program, by the operator; its address."""
    done = ledger.send(by, "CONTRACT_DEPLOY", Deploy(puppet() if code is None else code))
    assert done.status == "ok", done.message
    value = decode(done.output, Deployed, 4_096)
    assert not isinstance(value, Rejected)
    return value.contract


def ask(
    contract: str,
    *steps: bytes,
    amount: int = 0,
    gas: int | None = None,
    catch: bool = False,
) -> bytes:
    """The argument block of a call, as a contract's step takes it."""
    return encode(CallContract(contract, b"".join(steps), amount, gas, catch))


def call(
    ledger: Ledger,
    contract: str,
    *steps: bytes,
    by: KeyPair = OPERATOR,
    amount: int = 0,
    attachments: tuple = (),
    **header: object,
) -> TransactionResult:
    """Call a contract in a transaction of its own."""
    asked = CallContract(contract, b"".join(steps), amount, None, False)
    return ledger.send(by, "CONTRACT_CALL", asked, attachments, **header)


def answer(done: TransactionResult) -> ContractCalled:
    """The result of a call that took effect."""
    assert done.status == "ok", f"{done.code}: {done.message}"
    value = decode(done.output, ContractCalled, 4_096)
    assert not isinstance(value, Rejected)
    return value


def stored(ledger: Ledger, contract: str, key: bytes) -> bytes | None:
    found = records.storage.load(ledger.state, (contract, key))
    return None if found is None else found.value
