"""A new key for a wallet: made and kept here, given to the ledger, then taken into use (ID-4).

The new key is on disk before anything is sent, so that no outcome leaves a wallet without its key.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from synnergy.client.api import Node
from synnergy.client.failures import ClientError
from synnergy.client.home import read_file, write_file
from synnergy.identity.keys import KeyPair, verify_signature
from synnergy.opcodes.regulation import RotateKey, RotationStatement, rotation_bytes
from synnergy.wire.codec import read_json


class RotationFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `wallet rotate --out` writes for a regulator to take in."""

    format: Literal[1]
    address: str
    public_key: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    chain_id: str
    signature: Annotated[str, Meta(pattern=r"^[0-9a-f]{128}$")]


def sign_rotation(fresh: KeyPair, chain_id: str) -> RotateKey:
    """The new key's own word that it wants to be the key of the wallet `fresh.address`."""
    statement = RotationStatement(fresh.address, fresh.public_key, chain_id)
    return RotateKey(statement, fresh.sign(rotation_bytes(statement)))


def write_rotation(signed: RotateKey, path: Path) -> None:
    statement = signed.statement
    file = RotationFile(
        1,
        statement.address,
        statement.public_key.hex(),
        statement.chain_id,
        signed.signature.hex(),
    )
    content = msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"
    write_file(path, content, mode=0o644)


def read_rotation(path: Path, chain_id: str) -> RotateKey:
    """A rotation from a file; ClientError unless its key signed it for this chain."""
    try:
        file = read_json(read_file(path), RotationFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ClientError("bad_rotation_file", f"{path} is not a rotation: {error}") from None
    statement = RotationStatement(file.address, bytes.fromhex(file.public_key), file.chain_id)
    signature = bytes.fromhex(file.signature)
    if not verify_signature(statement.public_key, rotation_bytes(statement), signature):
        raise ClientError(
            "bad_statement", f"{path} is not signed by the key it names", rule="ID-4"
        )
    if file.chain_id != chain_id:
        raise ClientError(
            "wrong_chain", f"{path} is for the chain {file.chain_id}, not {chain_id}", rule="ID-4"
        )
    return RotateKey(statement, signature)


def is_in_force(node: Node, fresh: KeyPair) -> bool:
    """Whether the ledger has this key as the wallet's already."""
    known = node.account(fresh.address).wallet
    return known is not None and known.get("public_key") == fresh.public_key.hex()
