"""Beginning a ledger: its first wallets, the node's key and genesis.json (CLIENT-5)."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import msgspec

from synnergy.chain.genesis import (
    GENESIS_FORMAT,
    BadGenesis,
    Genesis,
    GenesisValidator,
    GenesisWallet,
    chain_id_of,
    decode_genesis_file,
    encode_genesis_file,
)
from synnergy.client.failures import ClientError, WrongUse
from synnergy.client.home import PRIVATE_FOLDER, Home, write_file
from synnergy.client.keystore import Wallet, create_wallet, find_wallet
from synnergy.client.passphrase import Passphrases
from synnergy.engines.cometbft.files import (
    BadFiles,
    Identity,
    Layout,
    NodeSettings,
    create_keys,
    read_identity,
    save_settings,
)
from synnergy.identity.address import is_address
from synnergy.identity.keys import SEED_BYTES, KeyPair
from synnergy.policy.texts import DEFAULT_SET
from synnergy.state.records import Role
from synnergy.wire.codec import read_json

#: The operator holds it all at first, in smallest units.
SUPPLY = 9 * 10**15
#: What --dev gives to publisher and consumer, each, out of the operator's.
DEVELOPMENT_FUNDS = 10**12
MINIMUM_GAS_PRICE = 1
#: What each validator that a network begins with weighs.
POWER = 10
PROTOCOL_VERSION = 1
GAS_VERSION = 1

_CHAIN_NAME = re.compile(r"[a-z0-9-]{1,17}")
_JURISDICTION = re.compile(r"[A-Z]{2}")
_ROLES: dict[str, tuple[Role, ...]] = {
    "operator": ("operator",),
    "regulator": ("regulator",),
    "publisher": ("publisher", "trainer"),
    "consumer": ("consumer",),
}


class NodeKeyFile(msgspec.Struct, frozen=True):
    """`node_key.json`: the seed with which a node signs headers, in hex."""

    format: Literal[1]
    public_key: str
    seed: str


@dataclass(frozen=True, slots=True)
class FirstValidator:
    """The node that a network begins with, and the URL of its API, "" where not public."""

    settings: NodeSettings
    endpoint: str


@dataclass(frozen=True, slots=True)
class NewLedger:
    """What `init` is asked for; `regulators` are addresses besides the home's own regulator.

    With a `validator` it is a network's ledger, which others join.
    """

    name: str = "synnergy"
    development: bool = False
    regulators: tuple[str, ...] = ()
    threshold: int = 1
    jurisdiction: str = "GB"
    validator: FirstValidator | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """A ledger that is ready to start: its genesis, and its wallets by role."""

    chain_id: str
    genesis: Genesis
    wallets: dict[str, Wallet]


def begin(home: Home, wanted: NewLedger, ask: Passphrases) -> Started:
    """Create wallets, the node's key and genesis.json. Refuses a home that has a genesis."""
    check(home, wanted)
    names = ("operator", "regulator")
    if wanted.development:
        names += ("publisher", "consumer")
    source = None if wanted.development else ask
    wallets = {
        name: find_wallet(home.keystore, name) or create_wallet(home.keystore, name, source)
        for name in names
    }
    if wallets["regulator"].address in wanted.regulators:
        raise WrongUse("duplicate_regulator", "--regulator names this home's own regulator")
    now = int(time.time() * 1000)
    if wanted.validator is None:
        genesis = build_genesis(wanted, wallets, now, _signer(home).public_key.hex())
    else:
        operator = wallets["operator"]
        validators = {operator: _first_validator(home, wanted.validator, operator)}
        genesis = build_genesis(wanted, wallets, now, validators=validators)
    content = encode_genesis_file(genesis)
    try:
        decode_genesis_file(content)
    except BadGenesis as bad:
        raise WrongUse("bad_genesis", str(bad)) from None
    home.openings.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_file(home.genesis, content, overwrite=False, mode=0o644)
    return Started(chain_id_of(genesis), genesis, wallets)


def build_genesis(
    wanted: NewLedger,
    wallets: Mapping[str, Wallet],
    now: int,
    signer: str = "",
    validators: Mapping[Wallet, GenesisValidator] = MappingProxyType({}),
) -> Genesis:
    """The genesis of these wallets; `now` in ms UTC. Pure.

    Blocks are made by the node whose public key is `signer`, or by `validators`, which stand
    under their operators' wallets.
    """
    funded = {name: DEVELOPMENT_FUNDS for name in wallets if name in ("publisher", "consumer")}
    funded["operator"] = SUPPLY - sum(funded.values())
    own = tuple(
        GenesisWallet(
            wallet.address,
            wallet.public_key.hex(),
            wanted.jurisdiction,
            _ROLES[name],
            funded.get(name, 0),
        )
        for name, wallet in wallets.items()
    )
    others = tuple(
        GenesisWallet(address, "", wanted.jurisdiction, ("regulator",), 0)
        for address in wanted.regulators
    )
    operators = tuple(
        GenesisWallet(
            wallet.address, wallet.public_key.hex(), wanted.jurisdiction, _ROLES["operator"], 0
        )
        for wallet in validators
        if wallet not in wallets.values()
    )
    return Genesis(
        format=GENESIS_FORMAT,
        name=wanted.name,
        time=now,
        local_only=wanted.development,
        wallets=own + others + operators,
        regulators=tuple(sorted((wallets["regulator"].address, *wanted.regulators))),
        threshold=wanted.threshold,
        fee_account=wallets["operator"].address,
        minimum_gas_price=MINIMUM_GAS_PRICE,
        protocol_version=PROTOCOL_VERSION,
        gas_version=GAS_VERSION,
        policy=DEFAULT_SET,
        signer=signer,
        validators=tuple(validators.values()),
    )


def load_node_key(home: Home) -> KeyPair:
    """The key with which this home's node signs headers."""
    try:
        file = read_json(home.node_key.read_bytes(), NodeKeyFile)
        return KeyPair.from_seed(bytes.fromhex(file.seed))
    except (OSError, ValueError) as error:
        raise ClientError("bad_node_key", f"{home.node_key} cannot be used: {error}") from None


def check(home: Home, wanted: NewLedger) -> None:
    """ClientError where a home holds a ledger already, or no ledger can be as `wanted`."""
    if home.genesis.exists():
        raise ClientError(
            "already_initialised",
            f"{home.root} holds a ledger already; choose another --home",
        )
    check_wanted(wanted)


def check_wanted(wanted: NewLedger) -> None:
    """WrongUse where no ledger can be so."""
    if not _CHAIN_NAME.fullmatch(wanted.name):
        raise WrongUse("bad_chain_name", "a chain's name is 1 to 17 of a-z, 0-9 and '-'")
    if not _JURISDICTION.fullmatch(wanted.jurisdiction):
        raise WrongUse("bad_jurisdiction", "a jurisdiction is two capital letters, such as GB")
    for address in wanted.regulators:
        if not is_address(address):
            raise WrongUse("bad_address", f"--regulator {address} is not an address")
    if len(set(wanted.regulators)) != len(wanted.regulators):
        raise WrongUse("duplicate_regulator", "a regulator is named twice")
    if not 1 <= wanted.threshold <= 1 + len(wanted.regulators):
        raise WrongUse(
            "bad_threshold",
            f"--threshold {wanted.threshold}: there are {1 + len(wanted.regulators)} regulators,"
            " at least 1 and at most all of them must agree",
        )


def _first_validator(home: Home, wanted: FirstValidator, operator: Wallet) -> GenesisValidator:
    """A validator of these settings; keys that are there already are kept."""
    identity = make_keys(home, wanted.settings)
    return GenesisValidator(
        public_key=identity.public_key,
        power=POWER,
        operator=operator.address,
        node_id=identity.node_id,
        endpoint=wanted.endpoint,
    )


def make_keys(home: Home, settings: NodeSettings) -> Identity:
    """A validator's keys, made where the home has none, and its settings."""
    layout = Layout(home.root)
    try:
        home.root.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
        # First, since it refuses what cannot be used: then no keys are left behind.
        save_settings(layout, settings)
        identity = read_identity(layout) if layout.consensus_key.exists() else create_keys(layout)
    except BadFiles as bad:
        raise WrongUse("bad_validator", str(bad)) from None
    except OSError as error:
        raise ClientError("unwritable_file", f"{home.root}: {error.strerror}") from None
    return identity


def _signer(home: Home) -> KeyPair:
    """The node's key; one that is there already is kept."""
    if home.node_key.exists():
        return load_node_key(home)
    keys = KeyPair.from_seed(secrets.token_bytes(SEED_BYTES))
    file = NodeKeyFile(1, keys.public_key.hex(), keys.seed.hex())
    content = msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"
    write_file(home.node_key, content, overwrite=False)
    return keys
