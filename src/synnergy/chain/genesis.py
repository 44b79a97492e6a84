"""The first state of a chain, and the chain id that commits to it (CHAIN-1)."""

from __future__ import annotations

import hashlib
from typing import Annotated

import msgspec
from msgspec import Meta

from synnergy.identity.address import address_of, is_address
from synnergy.opcodes.entities import wallet_entity
from synnergy.opcodes.flags import DEFAULT_OVERSIGHT
from synnergy.policy.check import check_new_set
from synnergy.policy.digest import policy_digest
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.state.accumulator import Accumulator
from synnergy.state.journal import Journal
from synnergy.wire.codec import Struct, encode
from synnergy.wire.types import Address, Amount, Count, Jurisdiction, Text, Time

HexKey = Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?$(?!\n)", description="hex, or empty")]
GENESIS_FORMAT = 1
#: The year 3000 in ms, far from where deadlines would leave the integers of WIRE-3.
LATEST_TIME = 32_503_680_000_000


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


def apply_genesis(genesis: Genesis, journal: Journal) -> None:
    """Write the first state. Raises BadGenesis naming what cannot be (CHAIN-2)."""
    _check(genesis)
    supply = sum(wallet.balance for wallet in genesis.wallets)
    for wallet in genesis.wallets:
        records.accounts.save(journal, wallet.address, records.Account(wallet.balance, 0))
        records.wallets.save(
            journal,
            wallet.address,
            records.Wallet(
                public_key=bytes.fromhex(wallet.public_key),
                jurisdiction=wallet.jurisdiction,
                roles=tuple(sorted(wallet.roles)),
                attestation=None,
                registered_by=None,
                registered_height=0,
                frozen=False,
                freeze_reason="",
                deregistered=False,
                cohort=0,
                deployer=None,
                flags=(),
            ),
        )
    records.money.save(journal, records.SINGLE, records.Money(supply, 0, 0))
    records.governance.save(
        journal,
        records.SINGLE,
        records.Governance(
            regulators=tuple(sorted(genesis.regulators)),
            threshold=genesis.threshold,
            fee_account=genesis.fee_account,
            minimum_gas_price=genesis.minimum_gas_price,
            policy_version=1,
            protocol_version=genesis.protocol_version,
            gas_version=genesis.gas_version,
        ),
    )
    records.oversight.save(journal, records.SINGLE, DEFAULT_OVERSIGHT)
    record = records.PolicyRecord(1, policy_digest(genesis.policy), genesis.policy, 0)
    records.policies.save(journal, 1, record)
    records.receipts_root.save(journal, records.SINGLE, Accumulator())
    governance = records.governance.load(journal, records.SINGLE)
    assert governance is not None
    regulators = [wallet_entity(journal, governance, address) for address in genesis.regulators]
    checked = check_new_set(genesis.policy, regulators, genesis.threshold, time=genesis.time)
    if isinstance(checked, Rejected):
        raise BadGenesis(f"the policy set cannot be used: {checked}")


def _check(genesis: Genesis) -> None:
    if genesis.format != GENESIS_FORMAT:
        raise BadGenesis(f"genesis format {genesis.format} is not {GENESIS_FORMAT}")
    if genesis.time > LATEST_TIME:
        raise BadGenesis(f"a chain cannot begin after the year 3000: {genesis.time} ms")
    addresses = [wallet.address for wallet in genesis.wallets]
    for address in (*addresses, *genesis.regulators, genesis.fee_account):
        if not is_address(address):
            raise BadGenesis(f"{address} is not an address")
    if len(set(addresses)) != len(addresses):
        raise BadGenesis("a wallet is listed twice")
    if len(set(genesis.regulators)) != len(genesis.regulators):
        raise BadGenesis("a regulator is listed twice")
    if genesis.threshold > len(genesis.regulators):
        raise BadGenesis(
            f"{genesis.threshold} regulators must agree, but there are {len(genesis.regulators)}"
        )
    missing = sorted({*genesis.regulators, genesis.fee_account} - set(addresses))
    if missing:
        raise BadGenesis(f"not among the wallets: {', '.join(missing)}")
    for wallet in genesis.wallets:
        if wallet.public_key and address_of(bytes.fromhex(wallet.public_key)) != wallet.address:
            raise BadGenesis(f"{wallet.address} is not the address of its public key")
        if len(set(wallet.roles)) != len(wallet.roles):
            raise BadGenesis(f"{wallet.address}: a role is listed twice")
        if ("regulator" in wallet.roles) != (wallet.address in genesis.regulators):
            raise BadGenesis(f"{wallet.address}: the role regulator is for the listed regulators")
    if sum(wallet.balance for wallet in genesis.wallets) >= 2**53:
        raise BadGenesis("the supply must be below 2^53")
