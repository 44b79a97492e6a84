"""Making the home of a node that will join a network (NET-60)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import lmdb

from synnergy.chain.dump import stored_height
from synnergy.chain.genesis import BadGenesis, Genesis, chain_id_of, decode_genesis_file
from synnergy.client.failures import ClientError, WrongUse
from synnergy.client.genesis import make_keys
from synnergy.client.home import Home, load_genesis, read_file, write_file
from synnergy.client.keystore import create_wallet, find_wallet, unlock
from synnergy.client.passphrase import Passphrases
from synnergy.client.registration import write_request
from synnergy.client.validators import read_statement, statement_of, write_statement
from synnergy.engines.cometbft.files import (
    BadFiles,
    Identity,
    Layout,
    NodeSettings,
    load_settings,
    read_identity,
    without_blocks,
)


@dataclass(frozen=True, slots=True)
class Joining:
    """A node that is ready to ask for its admission: who it is, and the files that say so."""

    chain_id: str
    identity: Identity
    operator: str
    endpoint: str
    statement: Path
    request: Path


def read_network(path: Path) -> tuple[bytes, Genesis]:
    """A network's genesis and the bytes of its file. ClientError where it is none."""
    content = read_file(path)
    try:
        genesis = decode_genesis_file(content)
    except BadGenesis as bad:
        raise ClientError("bad_genesis", f"{path}: {bad}") from None
    if not genesis.validators:
        raise ClientError(
            "other_ledger", f"{path} is of a ledger of one node, which no other joins"
        )
    return content, genesis


def settings_before(home: Home) -> NodeSettings | None:
    """The settings that a home has already. ClientError where they cannot be used."""
    layout = Layout(home.root)
    try:
        return load_settings(layout) if layout.settings.exists() else None
    except BadFiles as bad:
        raise ClientError("bad_validator", str(bad)) from None


def _node_id(layout: Layout) -> str:
    """The id of the node whose keys are there already, "" where none are."""
    if not layout.node_key.exists():
        return ""
    try:
        return read_identity(layout).node_id
    except BadFiles as bad:
        raise ClientError("bad_validator", str(bad)) from None


def make_home(home: Home, content: bytes, genesis: Genesis, settings: NodeSettings) -> Identity:
    """A home with the network's genesis, keys of its own and these settings.

    Keys that are there are kept. ClientError where the home is of another ledger, or its ledger
    is not its CometBFT's, WrongUse where the node would be its own peer.
    """
    chain_id = chain_id_of(genesis)
    if home.genesis.exists() and chain_id_of(load_genesis(home.genesis)) != chain_id:
        raise ClientError(
            "other_ledger", f"{home.root} is the home of another ledger; choose another --home"
        )
    layout = Layout(home.root)
    try:
        height = 0 if layout.blocks.exists() else stored_height(home.data)
    except (OSError, ValueError, lmdb.Error) as error:
        raise ClientError("bad_store", f"{home.data} cannot be read: {error}") from None
    if height:
        raise ClientError("restored_home", without_blocks(layout, height))
    own = _node_id(layout)
    if own and any(peer.startswith(f"{own}@") for peer in settings.peers):
        raise WrongUse("bad_peer", f"--peers names {own}, which is this node itself")
    identity = make_keys(home, settings)
    write_file(home.genesis, content, mode=0o644)
    return identity


def ask_to_join(
    home: Home,
    genesis: Genesis,
    operator: str,
    endpoint: str | None,
    ask: Passphrases,
    *,
    sealed: bool,
) -> Joining:
    """Write the operator's request to be registered and the node's statement, both signed.

    The operator's wallet is made where the home has none of that name, and `sealed` under a
    passphrase. With no `endpoint` that of an earlier statement stays.
    """
    ask = _once(ask)
    if find_wallet(home.keystore, operator) is None:
        create_wallet(home.keystore, operator, ask if sealed else None)
    keys = unlock(home.keystore, operator, ask)
    chain_id = chain_id_of(genesis)
    statement, request = home.root / "validator.statement", home.root / f"{operator}.request"
    if endpoint is None:
        before = read_statement(statement, chain_id) if statement.exists() else None
        endpoint = before.statement.endpoint if before else ""
    write_statement(statement_of(home, chain_id, keys, endpoint), statement)
    write_request(home, keys, request)
    identity = read_identity(Layout(home.root))
    return Joining(chain_id, identity, keys.address, endpoint, statement, request)


def _once(ask: Passphrases) -> Passphrases:
    """Ask nobody twice: a wallet that was just made is unlocked by what sealed it."""
    given: dict[str, str] = {}

    def remembering(wallet: str, new: bool) -> str:
        if wallet not in given:
            given[wallet] = ask(wallet, new)
        return given[wallet]

    return remembering
