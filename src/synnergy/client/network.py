"""Making the homes of a network of validators (NET-60).

DIR/genesis.json        the chain's genesis, which every validator has a copy of
DIR/keystore/           the wallets `operator` and `regulator`
DIR/validators/0 …      a validator's home each, with the wallet `operator` that answers for it
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from synnergy import durable
from synnergy.chain.genesis import (
    GenesisValidator,
    chain_id_of,
    encode_genesis_file,
)
from synnergy.client.failures import ClientError
from synnergy.client.genesis import POWER, NewLedger, build_genesis, check_wanted
from synnergy.client.home import (
    PRIVATE_FOLDER,
    Home,
    load_genesis,
    read_file,
    write_file,
)
from synnergy.client.keystore import Wallet, create_wallet, find_wallet
from synnergy.engines.cometbft.files import (
    SETTINGS_FORMAT,
    BadFiles,
    Layout,
    NodeSettings,
    create_keys,
    load_settings,
    read_identity,
    save_settings,
)

VALIDATORS: Final = "validators"
UNFINISHED: Final = "validators.unfinished"
#: Held by the process that runs the network.
LOCK: Final = "testnet.lock"
LOOPBACK: Final = "127.0.0.1"
#: Below the ports that systems give to outgoing connections, which come and go.
PORTS: Final = range(20_000, 32_000)


@dataclass(frozen=True, slots=True)
class Member:
    """A validator of a network on this machine; `api` is the URL that it serves."""

    name: str
    home: Path
    api: str
    settings: NodeSettings

    @property
    def listen(self) -> str:
        """HOST:PORT of its API."""
        return urlsplit(self.api).netloc


@dataclass(frozen=True, slots=True)
class LocalNetwork:
    """A network of validators whose homes are all under one folder."""

    home: Home
    chain_id: str
    members: tuple[Member, ...]


def open_network(home: Home, count: int, wanted: NewLedger) -> LocalNetwork:
    """The network of `count` validators in a folder: the one that is there, else a new one.

    ClientError where the folder holds another ledger, or a network of other size.
    """
    validators = home.root / VALIDATORS
    check_place(home, wanted)
    try:
        if not validators.exists():
            _make(home, count, wanted)
        if not home.genesis.exists():
            # It was made, and interrupted before its last step.
            content = read_file(Home(validators / "0").genesis)
            write_file(home.genesis, content, overwrite=False, mode=0o644)
        return _load(home, count)
    except BadFiles as bad:
        raise ClientError("bad_validator", str(bad)) from None


def check_place(home: Home, wanted: NewLedger) -> None:
    """ClientError where a folder is neither a network's nor free for one, or none can be so.

    Makes nothing. A folder that has wallets alone is free.
    """
    check_wanted(wanted)
    if (home.root / VALIDATORS).exists():
        return
    if home.genesis.exists():
        raise ClientError(
            "other_ledger", f"{home.root} holds a ledger of one node; choose another --home"
        )
    if not home.root.is_dir():
        return
    own = (LOCK, UNFINISHED, home.keystore.name, home.openings.name)
    for name in sorted(os.listdir(home.root)):
        # What begins with a dot may be a file that was never finished.
        if name not in own and not name.startswith("."):
            raise ClientError(
                "other_folder",
                f"{home.root} holds {name} and no network; choose an empty or new --home",
            )


def _load(home: Home, count: int) -> LocalNetwork:
    genesis = load_genesis(home.genesis)
    if len(genesis.validators) != count:
        raise ClientError(
            "other_network",
            f"{home.root} holds a network of {len(genesis.validators)} validators, not {count};"
            " name that number, or choose another --home",
        )
    return LocalNetwork(
        home,
        chain_id_of(genesis),
        tuple(_member(home, number, known) for number, known in enumerate(genesis.validators)),
    )


def _member(home: Home, number: int, known: GenesisValidator) -> Member:
    folder = home.root / VALIDATORS / str(number)
    layout = Layout(folder)
    identity = read_identity(layout)
    if (identity.public_key, identity.node_id) != (known.public_key, known.node_id):
        raise ClientError(
            "bad_validator", f"the keys in {folder} are not those that the genesis names"
        )
    return Member(_name(number), folder, known.endpoint, load_settings(layout))


def _name(number: int) -> str:
    return f"validator-{number}"


def _make(home: Home, count: int, wanted: NewLedger) -> None:
    """Make everything beside its place, then put it there; genesis.json comes last."""
    wallets = {
        name: find_wallet(home.keystore, name) or create_wallet(home.keystore, name, None)
        for name in ("operator", "regulator")
    }
    unfinished = home.root / UNFINISHED
    shutil.rmtree(unfinished, ignore_errors=True)
    homes = [Home(unfinished / str(number)) for number in range(count)]
    ports = free_ports(3 * count)
    members: dict[Wallet, GenesisValidator] = {}
    addresses: list[str] = []
    for each, (api, p2p, _) in zip(homes, _threes(ports), strict=True):
        each.root.mkdir(parents=True, mode=PRIVATE_FOLDER)
        identity = create_keys(Layout(each.root))
        operator = create_wallet(each.keystore, "operator", None)
        addresses.append(f"{identity.node_id}@{LOOPBACK}:{p2p}")
        members[operator] = GenesisValidator(
            public_key=identity.public_key,
            power=POWER,
            operator=operator.address,
            node_id=identity.node_id,
            endpoint=f"http://{LOOPBACK}:{api}",
        )
    genesis = build_genesis(wanted, wallets, int(time.time() * 1000), validators=members)
    for number, (each, (_, p2p, rpc)) in enumerate(zip(homes, _threes(ports), strict=True)):
        settings = NodeSettings(
            format=SETTINGS_FORMAT,
            moniker=_name(number),
            p2p=f"{LOOPBACK}:{p2p}",
            rpc=f"{LOOPBACK}:{rpc}",
            peers=tuple(other for place, other in enumerate(addresses) if place != number),
        )
        save_settings(Layout(each.root), settings)
        write_file(each.genesis, encode_genesis_file(genesis), mode=0o644)
    unfinished.rename(home.root / VALIDATORS)
    durable.sync(home.root)
    home.openings.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)


def _threes(ports: Sequence[int]) -> list[tuple[int, int, int]]:
    return [(ports[at], ports[at + 1], ports[at + 2]) for at in range(0, len(ports), 3)]


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on now, all different.

    They are remembered, so they are not the kernel's to give: an outgoing connection could hold
    one of those when its node comes back.
    """
    with ExitStack() as stack:
        found: list[int] = []
        for port in random.sample(PORTS, len(PORTS)):
            tried = stack.enter_context(socket.socket())
            try:
                tried.bind((LOOPBACK, port))
            except OSError:
                continue
            found.append(port)
            if len(found) == count:
                return found
    raise ClientError("no_port", f"there are no {count} free ports from {PORTS[0]} on")
