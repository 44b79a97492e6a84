"""A node's request to be admitted to a network, signed by its own keys (NET-11)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from synnergy.client import verbs
from synnergy.client.failures import ClientError, WrongUse
from synnergy.client.home import Home, read_file, write_file
from synnergy.client.transactions import Call
from synnergy.engines.cometbft.files import BadFiles, Layout, read_consensus_key, read_identity
from synnergy.identity.keys import KeyPair, verify_signature
from synnergy.opcodes.consensus import ValidatorStatement, validator_bytes
from synnergy.opcodes.governance import Agreement
from synnergy.rejected import Rejected
from synnergy.wire.codec import decode, encode, read_json

_Key = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
_Signature = Annotated[str, Meta(pattern=r"^[0-9a-f]{128}$(?!\n)")]


class StatementFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `validator statement` writes; `signature` is the consensus key's, `public_key`."""

    format: Literal[1]
    chain_id: str
    public_key: _Key
    node_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{40}$(?!\n)")]
    operator: str
    endpoint: str
    signature: _Signature
    operator_key: _Key
    operator_signature: _Signature


@dataclass(frozen=True, slots=True)
class SignedValidator:
    """A statement with the signatures of the consensus key and of the operator's key."""

    statement: ValidatorStatement
    signature: bytes
    operator_key: bytes
    operator_signature: bytes

    def admission(self, power: int) -> Call[Agreement]:
        """The regulators' verb that admits this node with a voting power."""
        return verbs.consensus_admit_validator(
            statement=self.statement,
            signature=self.signature,
            operator_key=self.operator_key,
            operator_signature=self.operator_signature,
            power=power,
        )


def make_statement(
    chain_id: str, consensus: KeyPair, node_id: str, operator: KeyPair, endpoint: str
) -> SignedValidator:
    """The word of both keys that they belong together; `node_id` in hex.

    WrongUse where node id or endpoint could be no node's.
    """
    statement = ValidatorStatement(
        chain_id, consensus.public_key, _node_id(node_id), operator.address, endpoint
    )
    checked = decode(encode(statement), ValidatorStatement, 4_096)
    if isinstance(checked, Rejected):
        raise WrongUse("bad_statement", f"this cannot be a node: {checked.message}")
    message = validator_bytes(statement)
    return SignedValidator(
        statement, consensus.sign(message), operator.public_key, operator.sign(message)
    )


def _node_id(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise WrongUse("bad_statement", f"{text!r} is not a node id: 40 hex digits") from None


def statement_of(home: Home, chain_id: str, operator: KeyPair, endpoint: str) -> SignedValidator:
    """The statement of the validator whose keys a home holds."""
    layout = Layout(home.root)
    try:
        node_id = read_identity(layout).node_id
        consensus = read_consensus_key(layout)
    except BadFiles as bad:
        raise ClientError("no_validator", str(bad)) from None
    return make_statement(chain_id, consensus, node_id, operator, endpoint)


def write_statement(signed: SignedValidator, path: Path) -> None:
    statement = signed.statement
    file = StatementFile(
        format=1,
        chain_id=statement.chain_id,
        public_key=statement.public_key.hex(),
        node_id=statement.node_id.hex(),
        operator=statement.operator,
        endpoint=statement.endpoint,
        signature=signed.signature.hex(),
        operator_key=signed.operator_key.hex(),
        operator_signature=signed.operator_signature.hex(),
    )
    content = msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"
    write_file(path, content, mode=0o644)


def read_statement(path: Path, chain_id: str) -> SignedValidator:
    """A statement from a file; ClientError unless both keys signed it for this chain.

    Whether the operator's key is still that of its wallet, the ledger knows.
    """
    try:
        file = read_json(read_file(path), StatementFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ClientError(
            "bad_statement_file", f"{path} is not a validator's statement: {error}"
        ) from None
    signed = SignedValidator(
        ValidatorStatement(
            file.chain_id,
            bytes.fromhex(file.public_key),
            bytes.fromhex(file.node_id),
            file.operator,
            file.endpoint,
        ),
        bytes.fromhex(file.signature),
        bytes.fromhex(file.operator_key),
        bytes.fromhex(file.operator_signature),
    )
    message = validator_bytes(signed.statement)
    for whose, key, signature in (
        ("the consensus key", signed.statement.public_key, signed.signature),
        ("its operator's key", signed.operator_key, signed.operator_signature),
    ):
        if not verify_signature(key, message, signature):
            raise ClientError("bad_statement", f"{path} is not signed by {whose}", rule="NET-11")
    if file.chain_id != chain_id:
        raise ClientError(
            "wrong_chain",
            f"{path} is for the chain {file.chain_id}, not {chain_id}",
            rule="NET-11",
        )
    return signed
