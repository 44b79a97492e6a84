"""A wallet's own word that it wants to be registered, for a regulator to take in (REG-2)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from synnergy.client.api import Node
from synnergy.client.failures import ClientError
from synnergy.client.home import Home, known_chain, read_file, write_file
from synnergy.client.keystore import list_wallets, unlock
from synnergy.client.passphrase import Passphrases
from synnergy.identity.address import address_of, is_address
from synnergy.identity.keys import KeyPair, verify_signature
from synnergy.opcodes.regulation import RegistrationStatement, statement_bytes
from synnergy.wire.codec import read_json


class RequestFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `wallet request` writes; `chain_id` is "" where the chain wasn't known."""

    format: Literal[1]
    address: str
    public_key: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    chain_id: str
    signature: Annotated[str, Meta(pattern=r"^[0-9a-f]{128}$")]


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """A statement and the wallet's signature over it."""

    statement: RegistrationStatement
    signature: bytes
    address: str


def sign_statement(keys: KeyPair, chain_id: str) -> SignedStatement:
    statement = RegistrationStatement(keys.public_key, chain_id)
    return SignedStatement(statement, keys.sign(statement_bytes(statement)), keys.address)


def check_holder(node: Node, signed: SignedStatement) -> None:
    """ClientError unless the key is that of the wallet which the statement's file names."""
    key = signed.statement.public_key
    if signed.address == address_of(key):
        return
    known = node.account(signed.address).wallet  # its key may have been rotated in (ID-3)
    if known is None or known.get("public_key") != key.hex():
        raise ClientError(
            "bad_statement",
            f"the request is not signed by the key of the wallet it names, {signed.address}",
            rule="REG-2",
        )


def write_request(home: Home, keys: KeyPair, path: Path) -> RequestFile:
    """Write a wallet's request, bound to the home's chain where it has one."""
    chain_id = known_chain(home)
    signed = sign_statement(keys, chain_id)
    file = RequestFile(1, keys.address, keys.public_key.hex(), chain_id, signed.signature.hex())
    content = msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"
    write_file(path, content, mode=0o644)
    return file


def obtain_statement(home: Home, chain_id: str, who: str, ask: Passphrases) -> SignedStatement:
    """The statement of WHO, a wallet of this home by name or address, or of a request file."""
    for wallet in list_wallets(home.keystore):
        if who in (wallet.name, wallet.address):
            return sign_statement(unlock(home.keystore, wallet.name, ask), chain_id)
    path = Path(who)
    if path.is_file():
        return _read_request(path, chain_id)
    if is_address(who):
        raise ClientError(
            "unknown_wallet",
            f"the key of {who} is not in this home; ask its holder for a request file"
            " (`synnergy wallet request`)",
        )
    raise ClientError(
        "unknown_wallet", f"{who!r} is neither a wallet of this home nor a request file"
    )


def _read_request(path: Path, chain_id: str) -> SignedStatement:
    try:
        file = read_json(read_file(path), RequestFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ClientError("bad_request_file", f"{path} is not a request: {error}") from None
    statement = RegistrationStatement(bytes.fromhex(file.public_key), file.chain_id)
    signature = bytes.fromhex(file.signature)
    # Which wallet the key serves, the ledger knows; its own address may not be it (ID-3).
    if not verify_signature(statement.public_key, statement_bytes(statement), signature):
        raise ClientError(
            "bad_statement", f"{path} is not signed by the wallet it names", rule="REG-2"
        )
    if file.chain_id not in ("", chain_id):
        raise ClientError(
            "wrong_chain", f"{path} is for the chain {file.chain_id}, not {chain_id}", rule="REG-2"
        )
    return SignedStatement(statement, signature, file.address)
