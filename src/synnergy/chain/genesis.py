"""What the first state of a chain is made from, and the chain id that commits to it (CHAIN-1).

A chain of one node has a `genesis.json` of our own; a network's is the one that CometBFT reads,
with ours as its `app_state` (NET-1).
"""

from __future__ import annotations

import base64
import hashlib
from typing import Annotated

import msgspec
from msgspec import Meta

from synnergy.receipts.comet import ValidatorPower
from synnergy.receipts.light import trusted_validators
from synnergy.state import records
from synnergy.wire.calendar import rfc3339
from synnergy.wire.codec import Struct, encode, read_json
from synnergy.wire.types import Address, Amount, Count, Jurisdiction, Text, Time

HexKey = Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?$(?!\n)", description="hex, or empty")]
GENESIS_FORMAT = 1
#: The year 3000 in ms, far from where deadlines would leave the integers of WIRE-3.
LATEST_TIME = 32_503_680_000_000
#: What CometBFT calls the application's version: that of the messages between the two, which
#: protocol versions (CHAIN-7) leave alone.
APP_VERSION = 1
#: CometBFT's bound of a block, header and commit included; the application's is narrower.
MAX_COMET_BLOCK_BYTES = 10 * 1024 * 1024


class GenesisWallet(Struct, frozen=True):
    """A wallet that is registered from the start; `public_key` may be empty where unknown."""

    address: Address
    public_key: HexKey
    jurisdiction: Jurisdiction
    roles: tuple[records.Role, ...]
    balance: Amount


class GenesisValidator(Struct, frozen=True):
    """A node of the network from the start; with `power` 0 it has no vote.

    `public_key` is its consensus key (Ed25519), `operator` the wallet that answers for it,
    `node_id` how CometBFT's peers call it, `endpoint` the URL of its API, "" where not public.
    """

    public_key: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
    power: records.VotingPower
    operator: Address
    node_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{40}$(?!\n)")]
    endpoint: records.Endpoint


class Genesis(Struct, frozen=True):
    """Everything the first state is made from.

    `signer` is the solo engine's public key, "" where `validators` make the blocks.
    """

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
    validators: tuple[GenesisValidator, ...] = ()


class GenesisFile(Struct, frozen=True):
    """`genesis.json`: the genesis and the chain id that ends in its hash."""

    chain_id: str
    genesis: Genesis


class BlockLimits(Struct, frozen=True):
    max_bytes: str = str(MAX_COMET_BLOCK_BYTES)
    max_gas: str = "-1"


class EvidenceLimits(Struct, frozen=True):
    """Evidence of double signing counts for so long: blocks, and nanoseconds (two days)."""

    max_age_num_blocks: str = "100000"
    max_age_duration: str = str(48 * 3600 * 10**9)
    max_bytes: str = "1048576"


class KeyTypes(Struct, frozen=True):
    pub_key_types: tuple[str, ...] = ("ed25519",)


class AppVersion(Struct, frozen=True):
    app: str = str(APP_VERSION)


class ExtensionHeight(Struct, frozen=True):
    vote_extensions_enable_height: str = "0"


class ConsensusParameters(Struct, frozen=True):
    """What CometBFT's header hash commits to; the application has narrower limits of its own."""

    block: BlockLimits = BlockLimits()
    evidence: EvidenceLimits = EvidenceLimits()
    validator: KeyTypes = KeyTypes()
    version: AppVersion = AppVersion()
    abci: ExtensionHeight = ExtensionHeight()


class CometKey(Struct, frozen=True):
    type: str
    value: str


class CometValidator(Struct, frozen=True):
    address: str
    pub_key: CometKey
    power: str
    name: str


class NetworkGenesisFile(Struct, frozen=True):
    """`genesis.json` of a network, as CometBFT reads it: what it says follows from `app_state`."""

    genesis_time: str
    chain_id: str
    initial_height: str
    consensus_params: ConsensusParameters
    validators: tuple[CometValidator, ...]
    app_hash: str
    app_state: Genesis


class BadGenesis(Exception):
    """The genesis cannot start a chain; the message says what is wrong with it."""


def genesis_hash(genesis: Genesis) -> bytes:
    return hashlib.sha256(b"synnergy/genesis/1\x00" + encode(genesis)).digest()


def chain_id_of(genesis: Genesis) -> str:
    """The chain's name and 32 hex digits of the hash of its genesis, at most 50 characters."""
    return f"{genesis.name}-{genesis_hash(genesis).hex()[:32]}"


def first_validators(genesis: Genesis) -> bytes | None:
    """The hash of the set that a network begins with; None for a chain of one node."""
    voting = tuple(
        ValidatorPower(bytes.fromhex(validator.public_key), validator.power)
        for validator in genesis.validators
        if validator.power
    )
    return trusted_validators(voting) if voting else None


def encode_genesis_file(genesis: Genesis) -> bytes:
    """The text of `genesis.json`."""
    file = (
        network_genesis_file(genesis)
        if genesis.validators
        else GenesisFile(chain_id_of(genesis), genesis)
    )
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"


def network_genesis_file(genesis: Genesis) -> NetworkGenesisFile:
    """What CometBFT begins the chain from; those without a vote are no validators to it."""
    return NetworkGenesisFile(
        genesis_time=rfc3339(genesis.time),
        chain_id=chain_id_of(genesis),
        initial_height="1",
        consensus_params=ConsensusParameters(),
        validators=tuple(
            CometValidator(
                address=hashlib.sha256(bytes.fromhex(validator.public_key))
                .hexdigest()[:40]
                .upper(),
                pub_key=CometKey(
                    "tendermint/PubKeyEd25519",
                    base64.b64encode(bytes.fromhex(validator.public_key)).decode(),
                ),
                power=str(validator.power),
                name="",
            )
            for validator in genesis.validators
            if validator.power
        ),
        app_hash="",
        app_state=genesis,
    )


def decode_genesis_file(content: bytes) -> Genesis:
    """Read `genesis.json`, of one node or of a network.

    Raises BadGenesis where it is malformed, or says something else than its genesis does.
    """
    try:
        file = read_json(content, _AnyFile)
        if file.app_state is msgspec.UNSET:
            return _checked(read_json(content, GenesisFile))
        return _checked_network(read_json(content, NetworkGenesisFile))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadGenesis(f"the genesis file is malformed: {error}") from error


def decode_app_state(content: bytes) -> Genesis:
    """Our genesis out of CometBFT's, as it hands it over. Raises BadGenesis."""
    try:
        return read_json(content, Genesis)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadGenesis(f"the app_state is malformed: {error}") from error


class _AnyFile(msgspec.Struct):
    """Which of the two it is."""

    app_state: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def _checked(file: GenesisFile) -> Genesis:
    _check_chain(file.chain_id, file.genesis)
    if file.genesis.validators:
        raise BadGenesis("a network's genesis is the app_state of a CometBFT genesis file")
    return file.genesis


def _checked_network(file: NetworkGenesisFile) -> Genesis:
    genesis = file.app_state
    _check_chain(file.chain_id, genesis)
    if not genesis.validators:
        raise BadGenesis("its app_state names no validators")
    if genesis.time > LATEST_TIME:
        raise BadGenesis(f"a chain cannot begin after the year 3000: {genesis.time} ms")
    expected = network_genesis_file(genesis)
    for name in ("genesis_time", "initial_height", "consensus_params", "validators", "app_hash"):
        if getattr(file, name) != getattr(expected, name):
            raise BadGenesis(f"its {name} is not what follows from its app_state")
    return genesis


def _check_chain(chain_id: str, genesis: Genesis) -> None:
    if chain_id != chain_id_of(genesis):
        raise BadGenesis(
            f"the genesis file says it is of chain {chain_id},"
            f" its contents are of {chain_id_of(genesis)}"
        )
