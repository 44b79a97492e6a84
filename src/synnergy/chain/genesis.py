"""What the first state of a chain is made from, and the chain id that commits to it (CHAIN-1)."""

from __future__ import annotations

import hashlib
from typing import Annotated

import msgspec
from msgspec import Meta

from synnergy.state import records
from synnergy.wire.codec import Struct, encode
from synnergy.wire.types import Address, Amount, Count, Jurisdiction, Text, Time

HexKey = Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?$(?!\n)", description="hex, or empty")]
GENESIS_FORMAT = 1


class GenesisWallet(Struct, frozen=True):
    """A wallet that is registered from the start; `public_key` may be empty where unknown."""

    address: Address
    public_key: HexKey
    jurisdiction: Jurisdiction
    roles: tuple[records.Role, ...]
    balance: Amount


class Genesis(Struct, frozen=True):
    """Everything the first state is made from. `signer` is the solo engine's public key."""

    format: Count
    name: Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,17}$(?!\n)")]
    time: Time
    local_only: bool
    wallets: tuple[GenesisWallet, ...]
    regulators: Annotated[tuple[Address, ...], Meta(min_length=1, max_length=64)]
    threshold: Annotated[int, Meta(ge=1, le=64)]
    fee_account: Address
    minimum_gas_price: Amount
    protocol_version: Count
    gas_version: Count
    policy: Text
    signer: HexKey


class GenesisFile(Struct, frozen=True):
    """`genesis.json`: the genesis and the chain id that ends in its hash."""

    chain_id: str
    genesis: Genesis


class BadGenesis(Exception):
    """The genesis cannot start a chain; the message says what is wrong with it."""


def genesis_hash(genesis: Genesis) -> bytes:
    return hashlib.sha256(b"synnergy/genesis/1\x00" + encode(genesis)).digest()


def chain_id_of(genesis: Genesis) -> str:
    """The chain's name and 32 hex digits of the hash of its genesis, at most 50 characters."""
    return f"{genesis.name}-{genesis_hash(genesis).hex()[:32]}"


def encode_genesis_file(genesis: Genesis) -> bytes:
    """The text of `genesis.json`."""
    file = GenesisFile(chain_id_of(genesis), genesis)
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"


def decode_genesis_file(content: bytes) -> Genesis:
    """Read `genesis.json`. Raises BadGenesis where it is malformed or of another chain."""
    try:
        file = msgspec.json.decode(content, type=GenesisFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadGenesis(f"the genesis file is malformed: {error}") from error
    if file.chain_id != chain_id_of(file.genesis):
        raise BadGenesis(
            f"the genesis file says it is of chain {file.chain_id},"
            f" its contents are of {chain_id_of(file.genesis)}"
        )
    return file.genesis
