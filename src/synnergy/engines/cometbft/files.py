"""What CometBFT keeps on disk, and the settings that its `config.toml` is written from.

HOME/validator.json                     our settings, which people edit
HOME/genesis.json                       the genesis, which CometBFT reads where it stands
HOME/cometbft/config/config.toml        written anew at every start from our settings
HOME/cometbft/config/node_key.json      the key by which other nodes know this one
HOME/cometbft/config/priv_validator_key.json    the consensus key
HOME/cometbft/data/priv_validator_state.json    what the consensus key signed last
HOME/cometbft/data/                     blocks and the state of consensus
HOME/cometbft/abci.sock                 where CometBFT reaches the application

Keys stand as CometBFT keeps them: not encrypted, readable by their owner alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from synnergy import durable
from synnergy.identity.keys import SEED_BYTES, KeyPair
from synnergy.receipts.comet import consensus_address
from synnergy.state.records import MAX_VALIDATORS
from synnergy.wire.bundle import MAX_ENTRY_BYTES
from synnergy.wire.codec import read_json

SETTINGS_FORMAT: Final = 1
MAX_PORT: Final = 65_535
#: What the kernel takes for the path of a Unix socket everywhere, its closing zero byte left out.
MAX_SOCKET_PATH_BYTES: Final = 103
#: Entries that CometBFT's mempool takes; the engine pushes back long before.
MEMPOOL_ENTRIES: Final = 30_000
MEMPOOL_BYTES: Final = 512 * 1024 * 1024
#: How often a block is made when nothing happens: block time, and with it expiry, is that exact.
EMPTY_BLOCKS_INTERVAL: Final = "10s"

HEX_KEY = r"^[0-9a-f]{64}$(?!\n)"
NODE_ID = r"^[0-9a-f]{40}$(?!\n)"
_HOST = r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})"
_ADDRESS = rf"{_HOST}:[0-9]{{1,5}}"
ADDRESS = rf"^{_ADDRESS}$(?!\n)"
PEER = rf"^[0-9a-f]{{40}}@{_ADDRESS}$(?!\n)"
URL = r"^https?://[!-+\--~]{1,190}$(?!\n)"
_OWNER_ONLY: Final = 0o600
_FOLDER: Final = 0o700

#: What the settings have to look like, for people.
_EXPECTED: Final = {
    "moniker": "1 to 64 letters, digits, '.', '_' and '-'",
    "p2p": "HOST:PORT",
    "rpc": "HOST:PORT",
    "external": "HOST:PORT, or nothing",
    "members": "the URL of a node's API each",
    "peers": "NODE_ID@HOST:PORT each, a node id being 40 hex digits",
}

Address = Annotated[str, Meta(pattern=ADDRESS, description="HOST:PORT")]
Peer = Annotated[str, Meta(pattern=PEER, description="NODE_ID@HOST:PORT")]
Url = Annotated[str, Meta(pattern=URL, description="a node's API: http://HOST:PORT")]


T = TypeVar("T")


class BadFiles(Exception):
    """CometBFT's files cannot be used as they are; the message names the file and what to do."""


@dataclass(frozen=True, slots=True)
class StateSync:
    """Whose snapshots a node that has no blocks takes: the light services that vouch for their
    app hashes, and the header that CometBFT believes them from."""

    servers: tuple[str, ...]
    trust_height: int
    trust_hash: str


class NodeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`validator.json`: where this validator listens, and the others that it keeps connected to.

    `external` is the address that others reach `p2p` by, where the two differ. Blocks whose height
    `snapshot_interval` divides have snapshots. Where payloads are kept for ever, CometBFT keeps
    `keep_blocks`, 0: all. With `state_sync` a node without blocks begins with a snapshot, vouched
    for by the members whose APIs `members` names, or the genesis where it names none.
    """

    format: Literal[1]
    moniker: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$(?!\n)")]
    p2p: Address
    rpc: Address
    peers: Annotated[tuple[Peer, ...], Meta(max_length=256)] = ()
    external: Annotated[str, Meta(pattern=rf"^({_ADDRESS})?$(?!\n)")] = ""
    snapshot_interval: Annotated[int, Meta(ge=1, lt=2**53)] = 500
    keep_blocks: Annotated[int, Meta(ge=0, lt=2**53)] = 0
    state_sync: bool = False
    members: Annotated[tuple[Url, ...], Meta(max_length=16)] = ()


@dataclass(frozen=True, slots=True)
class Identity:
    """By what the network knows a validator: its node's id and its consensus key, both in hex."""

    node_id: str
    public_key: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of a validator's home that concern CometBFT."""

    home: Path

    @property
    def settings(self) -> Path:
        return self.home / "validator.json"

    @property
    def genesis(self) -> Path:
        return self.home / "genesis.json"

    @property
    def root(self) -> Path:
        return self.home / "cometbft"

    @property
    def config(self) -> Path:
        return self.root / "config" / "config.toml"

    @property
    def node_key(self) -> Path:
        return self.root / "config" / "node_key.json"

    @property
    def consensus_key(self) -> Path:
        return self.root / "config" / "priv_validator_key.json"

    @property
    def consensus_state(self) -> Path:
        return self.root / "data" / "priv_validator_state.json"

    @property
    def blocks(self) -> Path:
        """CometBFT's block store, which is there from its first start on."""
        return self.root / "data" / "blockstore.db"

    @property
    def process(self) -> Path:
        """The id of the CometBFT that runs on this home."""
        return self.root / "pid"


# ---- keys -------------------------------------------------------------------------------------


class _Key(msgspec.Struct, frozen=True):
    type: str
    value: bytes


class _NodeKey(msgspec.Struct, frozen=True):
    priv_key: _Key


class _ConsensusKey(msgspec.Struct, frozen=True):
    address: str
    pub_key: _Key
    priv_key: _Key


def create_keys(layout: Layout) -> Identity:
    """Make both keys. Raises BadFiles where there is one already: a key is never replaced.

    The file that remembers what was signed last is made here and nowhere else, for a consensus
    key that forgot what it signed may sign two blocks of one height.
    """
    node = KeyPair.from_seed(secrets.token_bytes(SEED_BYTES))
    consensus = KeyPair.from_seed(secrets.token_bytes(SEED_BYTES))
    files: tuple[tuple[Path, dict[str, object]], ...] = (
        (layout.consensus_state, {"height": "0", "round": 0, "step": 0}),
        (layout.node_key, {"priv_key": _private(node)}),
        (
            layout.consensus_key,
            {
                "address": consensus_address(consensus.public_key).hex().upper(),
                "pub_key": {
                    "type": "tendermint/PubKeyEd25519",
                    "value": _base64(consensus.public_key),
                },
                "priv_key": _private(consensus),
            },
        ),
    )
    taken = [str(path) for path, _ in files if path.exists()]
    if taken:
        raise BadFiles(f"{taken[0]} is there already, and a validator's keys are never replaced")
    for folder in (layout.root, layout.consensus_key.parent, layout.consensus_state.parent):
        _make_folder(folder)
    for path, content in files:
        write_whole(path, json.dumps(content, indent=2).encode() + b"\n")
    return read_identity(layout)


def read_identity(layout: Layout) -> Identity:
    """The node id and the consensus key. Raises BadFiles where a file is missing or damaged."""
    node = _seeded(_read_key(layout.node_key, _NodeKey, layout).priv_key, layout.node_key)
    consensus = read_consensus_key(layout)
    return Identity(consensus_address(node.public_key).hex(), consensus.public_key.hex())


def read_consensus_key(layout: Layout) -> KeyPair:
    """The key pair that signs votes. Raises BadFiles where its file is missing or damaged."""
    file = _read_key(layout.consensus_key, _ConsensusKey, layout)
    consensus = _seeded(file.priv_key, layout.consensus_key)
    own = consensus.public_key, consensus_address(consensus.public_key).hex().upper()
    if own != (file.pub_key.value, file.address):
        raise BadFiles(f"{layout.consensus_key}: address and keys do not belong together")
    return consensus


def _read_key(path: Path, kind: type[T], layout: Layout) -> T:
    if layout.settings.exists() and not path.exists():
        raise BadFiles(
            f"there is no {path}, though this home is a node's: put that very key back; where it"
            " is lost, another home takes the node's place (docs/network.md)"
        )
    return _read(path, kind)


def _private(keys: KeyPair) -> dict[str, str]:
    return {
        "type": "tendermint/PrivKeyEd25519",
        "value": _base64(keys.seed + keys.public_key),
    }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _seeded(key: _Key, path: Path) -> KeyPair:
    seed, public_key = key.value[:SEED_BYTES], key.value[SEED_BYTES:]
    if len(seed) == SEED_BYTES:
        keys = KeyPair.from_seed(seed)
        if keys.public_key == public_key:
            return keys
    raise BadFiles(f"{path} does not hold an Ed25519 key of 64 bytes")


# ---- settings ---------------------------------------------------------------------------------


def load_settings(layout: Layout) -> NodeSettings:
    """`validator.json`. Raises BadFiles where it is missing, malformed or contradicts itself."""
    if not layout.settings.exists() and (layout.home / "validators").is_dir():
        raise BadFiles(
            f"{layout.home} is the folder of a network on this machine, and no node's home:"
            f" `synnergy --home {layout.home} testnet` runs all of it"
        )
    return _check(_read(layout.settings, NodeSettings), layout)


def save_settings(layout: Layout, settings: NodeSettings) -> None:
    """Write `validator.json`, for people to edit. Raises BadFiles where it could not be read."""
    try:
        read_json(msgspec.json.encode(settings), NodeSettings)
    except msgspec.ValidationError as error:
        raise BadFiles(f"{layout.settings}: {_worded(error)}") from None
    content = msgspec.json.format(msgspec.json.encode(_check(settings, layout)), indent=2)
    write_whole(layout.settings, content + b"\n", mode=0o644)


def _worded(error: Exception) -> str:
    """What is wrong, without the pattern that a setting does not match."""
    field = str(error).partition("`$.")[2].rstrip("`").partition("[")[0]
    return f"{field} is not {_EXPECTED[field]}" if field in _EXPECTED else str(error)


def _check(settings: NodeSettings, layout: Layout) -> NodeSettings:
    addresses = (settings.p2p, settings.rpc, *settings.peers, settings.external)
    for address in (*filter(None, addresses), *settings.members):
        if port_of(address) is None:
            raise BadFiles(f"{layout.settings}: {address} names a port beyond {MAX_PORT}")
    if settings.p2p == settings.rpc:
        raise BadFiles(f"{layout.settings}: p2p and rpc cannot both listen on {settings.p2p}")
    return settings


def port_of(address: str) -> int | None:
    """The port of HOST:PORT, NODE_ID@HOST:PORT or a URL, 0 for a URL's own; None beyond 65535."""
    try:
        if "//" in address:
            return urlsplit(address).port or 0
        port = int(address.rpartition(":")[2])
    except ValueError:
        return None
    return port if port <= MAX_PORT else None


def write_config(
    layout: Layout, settings: NodeSettings, socket: Path, sync: StateSync | None = None
) -> None:
    """Write `config.toml` for an application that answers at `socket`."""
    try:
        content = render_config(settings, socket, sync).encode()
    except UnicodeEncodeError:
        raise BadFiles(f"{layout.home!r} is not UTF-8, as a validator's home must be") from None
    write_whole(layout.config, content, mode=0o644)


def render_config(settings: NodeSettings, socket: Path, sync: StateSync | None = None) -> str:
    """The text of `config.toml`: what deviates from CometBFT's defaults, and nothing else.

    Values of the sections p2p, consensus and mempool were measured (docs/benchmarks.md).
    """
    sections: dict[str, dict[str, str | int | bool]] = {
        "": {
            "proxy_app": f"unix://{socket}",
            "moniker": settings.moniker,
            "genesis_file": os.path.join("..", "genesis.json"),
            "log_format": "json",
            "log_level": "info",
            # Who may connect is for the application to say, by the node ids that are registered.
            "filter_peers": True,
        },
        "rpc": {
            "laddr": f"tcp://{settings.rpc}",
            # A bundle in base64 within JSON, with room for several in one request.
            "max_body_bytes": 4 * MAX_ENTRY_BYTES,
            "max_request_batch_size": 1_000,
        },
        "p2p": {
            "laddr": f"tcp://{settings.p2p}",
            "external_address": settings.external,
            "persistent_peers": ",".join(settings.peers),
            # Peers are the registered ones: none is learnt from others, and one host may run many.
            "pex": False,
            "addr_book_strict": False,
            "allow_duplicate_ip": True,
            "max_num_inbound_peers": MAX_VALIDATORS,
            "max_num_outbound_peers": MAX_VALIDATORS,
            "flush_throttle_timeout": "10ms",
            "send_rate": 100_000_000,
            "recv_rate": 100_000_000,
            "max_packet_msg_payload_size": 16_384,
        },
        "mempool": {
            "size": MEMPOOL_ENTRIES,
            "max_txs_bytes": MEMPOOL_BYTES,
            "max_tx_bytes": MAX_ENTRY_BYTES,
            "cache_size": 200_000,
            "recheck": True,
        },
        "consensus": {
            "timeout_propose": "2s",
            "timeout_commit": "200ms",
            "peer_gossip_sleep_duration": "10ms",
            "create_empty_blocks": True,
            "create_empty_blocks_interval": EMPTY_BLOCKS_INTERVAL,
        },
        # The application keeps every result in its own store, where they can be erased.
        "storage": {"discard_abci_responses": True},
        "tx_index": {"indexer": "null"},
        "statesync": {"enable": False}
        if sync is None
        else {
            "enable": True,
            "rpc_servers": ",".join(sync.servers),
            "trust_height": sync.trust_height,
            "trust_hash": sync.trust_hash,
            "discovery_time": "5s",
        },
    }
    lines = ["# Written anew at every start from validator.json; change that file instead."]
    for name, values in sections.items():
        lines += [f"\n[{name}]"] if name else []
        lines += [f"{key} = {_toml(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def _toml(value: str | int | bool) -> str:
    """A value as TOML writes it; its basic strings escape as JSON does, and DEL besides."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def without_blocks(layout: Layout, height: int) -> str:
    """Why a home whose ledger is at `height` is no node's where CometBFT has no blocks."""
    return (
        f"the ledger in {layout.home} is at height {height} and its CometBFT has no blocks, as in"
        " a home that was restored or copied: a validator does not go on from there, but joins"
        " anew with an empty home (docs/network.md); this one can be read, with `synnergy chain"
        " replay`"
    )


def socket_path(layout: Layout, temporary: Path | None = None) -> Path:
    """Where CometBFT reaches the application: in the home, or where that path is too long for
    a socket in a folder of `temporary` that belongs to this user alone.

    Raises BadFiles where that folder belongs to somebody else.
    """
    plain = layout.root / "abci.sock"
    if len(os.fsencode(plain)) <= MAX_SOCKET_PATH_BYTES:
        return plain
    name = hashlib.sha256(os.fsencode(layout.home)).hexdigest()[:16]
    folder = (temporary or Path(tempfile.gettempdir())) / f"synnergy-{os.getuid()}-{name}"
    folder.mkdir(mode=_FOLDER, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise BadFiles(
            f"{plain} is too long for a socket, and {folder} is not a folder of this user alone;"
            " choose a shorter home"
        )
    return folder / "abci.sock"


# ---- reading and writing ----------------------------------------------------------------------


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=_FOLDER)
    except OSError as error:
        raise BadFiles(f"{path} cannot be made: {error.strerror}") from None


def write_whole(path: Path, content: bytes, mode: int = _OWNER_ONLY) -> None:
    """Write a file whole or not at all: a temporary neighbour, synced, then renamed.

    Raises BadFiles.
    """
    try:
        with durable.open_whole(path, mode=mode) as file:
            file.write(content)
    except OSError as error:
        raise BadFiles(f"{path} cannot be written: {error.strerror}") from None


def _read(path: Path, kind: type[T]) -> T:
    try:
        return read_json(path.read_bytes(), kind)
    except FileNotFoundError:
        raise BadFiles(f"there is no {path}; `synnergy validator init` makes a home") from None
    except OSError as error:
        raise BadFiles(f"{path} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadFiles(f"{path} is malformed: {_worded(error)}") from None
