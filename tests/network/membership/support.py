"""A network's ledger without the network, and statements of nodes that want to join it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from synnergy.chain.genesis import Genesis, GenesisValidator
from synnergy.identity.keys import KeyPair
from synnergy.opcodes import consensus, regulation
from synnergy.opcodes import ledger as money
from synnergy.pipeline import TransactionResult
from synnergy.state import records
from tests.ledger.harness import CONSUMER, OPERATOR, PUBLISHER, Ledger, genesis, key

ADMIT = "CONSENSUS_ADMIT_VALIDATOR"
POWER = "CONSENSUS_SET_POWER"
REMOVE = "CONSENSUS_REMOVE_VALIDATOR"


def consensus_key(name: str) -> KeyPair:
    return key(f"consensus {name}")


def node_id(name: str) -> bytes:
    return hashlib.sha256(f"test node {name}".encode()).digest()[:20]


def genesis_node(name: str, operator: KeyPair, power: int) -> GenesisValidator:
    public_key = consensus_key(name).public_key.hex()
    endpoint = f"http://{name}.example:7070"
    return GenesisValidator(public_key, power, operator.address, node_id(name).hex(), endpoint)


def network(**changes: object) -> Genesis:
    """Two validators, `a` and `b`, of power 10, and `idle`, which has no vote; m is 1."""
    nodes = (
        genesis_node("a", OPERATOR, 10),
        genesis_node("b", PUBLISHER, 10),
        genesis_node("idle", CONSUMER, 0),
    )
    return genesis(**({"signer": "", "validators": nodes} | changes))


def open_network(path: Path, **changes: object) -> Ledger:
    return Ledger(path, network(**changes))


def newcomer(ledger: Ledger, name: str = "newcomer") -> KeyPair:
    """A registered wallet with some funds that operates nothing yet."""
    wallet = key(name)
    assert ledger.register(wallet, "operator").status == "ok"
    ledger.ok(OPERATOR, "LEDGER_TRANSFER", money.Transfer(wallet.address, 10**9))
    return wallet


def statement(
    ledger: Ledger, name: str, operator: KeyPair, **changes: object
) -> consensus.ValidatorStatement:
    fields: dict[str, object] = {
        "chain_id": ledger.application.chain_id,
        "public_key": consensus_key(name).public_key,
        "node_id": node_id(name),
        "operator": operator.address,
        "endpoint": f"http://{name}.example:7070",
    }
    return consensus.ValidatorStatement(**(fields | changes))  # type: ignore[arg-type]


def admission(
    ledger: Ledger,
    name: str,
    operator: KeyPair,
    power: int = 5,
    *,
    signer: KeyPair | None = None,
    countersigner: KeyPair | None = None,
    **changes: object,
) -> consensus.AdmitValidator:
    """The verb that admits the node `name`; `changes` are to its statement, before it is signed.

    `signer` and `countersigner` sign in place of consensus key and operator.
    """
    stated = statement(ledger, name, operator, **changes)
    message = consensus.validator_bytes(stated)
    by_operator = countersigner or operator
    return consensus.AdmitValidator(
        stated,
        (signer or consensus_key(name)).sign(message),
        by_operator.public_key,
        by_operator.sign(message),
        power,
    )


def power_of(name: str, power: int) -> consensus.SetPower:
    return consensus.SetPower(consensus_key(name).public_key, power)


def removal(name: str) -> consensus.RemoveValidator:
    return consensus.RemoveValidator(consensus_key(name).public_key)


def node(ledger: Ledger, name: str) -> records.Validator | None:
    return records.validators.load(ledger.state, consensus_key(name).public_key)


def nodes(ledger: Ledger) -> dict[bytes, records.Validator]:
    return dict(records.validators.scan(ledger.state))


def reason(result: TransactionResult) -> tuple[str, str, str]:
    return result.status, result.rule, result.code


def freeze(wallet: KeyPair) -> regulation.Freeze:
    return regulation.Freeze(wallet.address, "a reason")


def deregister(wallet: KeyPair) -> regulation.Deregister:
    return regulation.Deregister(wallet.address, "a reason")


def tampered(arguments: consensus.AdmitValidator, **changes: object) -> consensus.AdmitValidator:
    """The verb with its statement changed after it was signed."""
    changed = msgspec.structs.replace(arguments.statement, **changes)
    return msgspec.structs.replace(arguments, statement=changed)
