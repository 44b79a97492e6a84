"""Our side: four validators of one network, each a node beside its CometBFT."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec

from bench.ledger import BALANCE, genesis, key, keyed_wallets
from bench.network.kvstore import VALIDATORS, free_ports, running
from bench.network.rising import Address, Network
from synnergy.chain.genesis import (
    Genesis,
    GenesisValidator,
    GenesisWallet,
    chain_id_of,
    encode_genesis_file,
)
from synnergy.engines.cometbft.files import (
    SETTINGS_FORMAT,
    Identity,
    Layout,
    NodeSettings,
    create_keys,
    save_settings,
)
from synnergy.identity.keys import KeyPair
from synnergy.rejected import Rejected
from synnergy.wire.bundle import unbundle

POWER = 10
READY_SECONDS = 120
#: Blocks from one snapshot to the next: so few that there is one when somebody wants to join.
SNAPSHOT_INTERVAL = 50
#: Wallet 0 is the regulator, who takes the fees too; those that load is made of begin at 1.
PUBLISHER = key(10_000_000)
LOCAL = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Member:
    """A node of the network: its home, where it listens and by what others know it."""

    home: Path
    api: Address
    rpc: Address
    p2p: Address
    identity: Identity


@dataclass(frozen=True, slots=True)
class Validators:
    """A running network of ours. The fifth member has no vote and isn't started."""

    chain_id: str
    members: Sequence[Member]
    newcomers: Sequence[Member]

    @property
    def mempools(self) -> Network:
        """Load handed to the four CometBFTs as entries that were bundled before."""
        lanes = [member.rpc for member in self.members]
        return Network("bundles", lanes, lanes[0], contents)

    def apis(self, connections: int) -> Network:
        """Load handed to the four APIs, over so many connections each."""
        lanes = [member.api for member in self.members] * connections
        return Network("API", lanes, self.members[0].rpc, contents)


def contents(entry: bytes) -> tuple[bytes, ...]:
    """The envelopes in an entry; all entries here are well-formed."""
    envelopes = unbundle(entry)
    assert not isinstance(envelopes, Rejected), envelopes
    return envelopes


@contextmanager
def running_validators(folder: Path, wallets: int, newcomers: int) -> Generator[Validators]:
    """Four validators of a new network with so many funded wallets, until the context ends.

    `newcomers` more are registered without a vote, and have a home with keys and genesis.
    """
    ports = iter(free_ports(3 * (VALIDATORS + newcomers)))
    members = [
        _prepare(folder / f"node{number}", [(LOCAL, next(ports)) for _ in range(3)])
        for number in range(VALIDATORS + newcomers)
    ]
    first = _genesis(
        [key(number) for number in range(1, wallets + 1)],
        members[:VALIDATORS],
        members[VALIDATORS:],
    )
    content = encode_genesis_file(first)
    for member in members:
        (member.home / "genesis.json").write_bytes(content)
        configure(member, members[:VALIDATORS])
    with ExitStack() as stack:
        for member in members[:VALIDATORS]:
            stack.enter_context(started(member))
        for member in members[:VALIDATORS]:
            wait_for_api(member, 1)
        chain_id = chain_id_of(first)
        yield Validators(chain_id, members[:VALIDATORS], members[VALIDATORS:])


def _prepare(home: Path, addresses: list[Address]) -> Member:
    layout = Layout(home)
    return Member(home, *addresses, create_keys(layout))


def configure(member: Member, others: Sequence[Member], *, state_sync: bool = False) -> None:
    """Write the settings of a member, which may begin with a snapshot of the others'."""
    peers = tuple(
        f"{other.identity.node_id}@{_text(other.p2p)}" for other in others if other is not member
    )
    settings = NodeSettings(
        format=SETTINGS_FORMAT,
        moniker=member.home.name,
        p2p=_text(member.p2p),
        rpc=_text(member.rpc),
        peers=peers,
        snapshot_interval=SNAPSHOT_INTERVAL,
        state_sync=state_sync,
        members=tuple(f"http://{_text(other.api)}" for other in others) if state_sync else (),
    )
    save_settings(Layout(member.home), settings)


def _text(address: Address) -> str:
    return f"{address[0]}:{address[1]}"


def _genesis(
    wallets: Sequence[KeyPair], voters: Sequence[Member], others: Sequence[Member]
) -> Genesis:
    publisher = GenesisWallet(
        PUBLISHER.address, PUBLISHER.public_key.hex(), "GB", ("publisher",), BALANCE
    )
    operators = [key(20_000_000 + number) for number in range(len(voters) + len(others))]
    operating = [
        GenesisWallet(pair.address, pair.public_key.hex(), "GB", ("operator",), BALANCE)
        for pair in operators
    ]
    validators = tuple(
        GenesisValidator(
            public_key=member.identity.public_key,
            power=POWER if member in voters else 0,
            operator=operators[number].address,
            node_id=member.identity.node_id,
            endpoint="",
        )
        for number, member in enumerate((*voters, *others))
    )
    first = genesis([publisher, *operating, *keyed_wallets(wallets)])
    now = time.time_ns() // 1_000_000
    return msgspec.structs.replace(first, signer="", validators=validators, time=now)


@contextmanager
def started(member: Member) -> Generator[None]:
    """The node of a member, from its start to the end of the context."""
    command = [sys.executable, "-m", "synnergy", "start", "--engine", "cometbft"]
    listen = ["--listen", _text(member.api)]
    environment = os.environ | {"SYNNERGY_HOME": str(member.home)}
    with running([*command, *listen], environment, member.home / "log"):
        yield


def wait_for_api(member: Member, height: int) -> float:
    """Until a member's API has a block at `height`; the Unix time then."""
    until = time.monotonic() + READY_SECONDS
    url = f"http://{_text(member.api)}/v1/chain"
    while True:
        try:
            if httpx.get(url, timeout=5, trust_env=False).json()["height"] >= height:
                return time.time()
        except (httpx.HTTPError, ValueError, KeyError):
            pass
        if time.monotonic() > until:
            log = (member.home / "log").read_text(errors="replace")[-2_000:]
            raise TimeoutError(f"{member.home} has no block {height}: {log}")
        time.sleep(0.05)
