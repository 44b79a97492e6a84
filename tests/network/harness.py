"""Validators as processes: started, killed, frozen and made faulty, under load, and looked over.

What holds of every network at every moment: one header, hence one app hash, at a height; all that
was acknowledged is there; money is conserved (`Network.look_over`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from synnergy.chain.archive import Location, entry_key
from synnergy.chain.block import StoredBlock
from synnergy.chain.genesis import Genesis, GenesisValidator, chain_id_of, encode_genesis_file
from synnergy.chain.queries.moment import fresh_journal
from synnergy.client.network import free_ports
from synnergy.engines.cometbft.files import (
    SETTINGS_FORMAT,
    Layout,
    NodeSettings,
    create_keys,
    save_settings,
)
from synnergy.pipeline import TransactionResult
from synnergy.receipts.header import header_hash
from synnergy.state import records
from synnergy.state.store import View
from synnergy.wire.codec import decode_trusted
from tests.crash.load import WALLETS, Acknowledged
from tests.ledger.harness import SUPPLY, genesis
from tests.network.load import Load
from tests.network.namespaces import Wires
from tests.network.support import eventually
from tests.network.validators import Validator

LOOPBACK = "127.0.0.1"
POWER = 10
#: How long nothing may happen to show that nothing can, in seconds: some blocks' time.
STILL_SECONDS = 4.0


@dataclass
class Network:
    """Validators of equal power and their genesis, whose wallets are those of the load."""

    genesis: Genesis
    validators: list[Validator]
    load: Load | None = None

    @property
    def chain_id(self) -> str:
        return chain_id_of(self.genesis)

    def start(self) -> None:
        """Start all that don't run, and wait until all answer and have a block."""
        for validator in self.validators:
            if not validator.running:
                validator.start()
        self.reach(1)

    def apart(self, index: int) -> tuple[Validator, list[Validator]]:
        """One validator, and the others."""
        return (
            self.validators[index],
            [validator for validator in self.validators if validator.index != index],
        )

    def mend(self) -> None:
        """Start those that ended or halted, and wait until all are as high as the highest is."""
        for validator in self.validators:
            if validator.running and validator.failure():
                validator.end()
        self.start()
        self.reach(max(validator.height for validator in self.validators))

    def stand_still(self, among: Sequence[Validator]) -> None:
        """See that these decide on nothing for as long as many blocks would take."""
        before = [validator.height for validator in among]
        # One block may have been under way.
        limit = [height + 1 for height in before]
        deadline = time.monotonic() + STILL_SECONDS
        while time.monotonic() < deadline:
            now = [validator.height for validator in among]
            assert all(one <= most for one, most in zip(now, limit, strict=True)), (before, now)
            time.sleep(0.2)

    def end(self) -> None:
        """End load and processes, whatever state they are in."""
        for client in self.load.clients if self.load is not None else ():
            client.stopping.set()
        for validator in self.validators:
            validator.clean()

    def start_load(self) -> Load:
        self.load = Load(self.validators, self.chain_id)
        self.load.start()
        return self.load

    def go_on(self, among: Sequence[Validator] | None = None, blocks: int = 2) -> int:
        """Wait until these (all) are `blocks` past the highest of them; that height. Under load,
        for else blocks are rare."""
        chosen = self.validators if among is None else among
        wanted = max(0, *(validator.height for validator in chosen)) + blocks
        self.reach(wanted, chosen)
        return wanted

    def reach(self, height: int, among: Sequence[Validator] | None = None) -> None:
        chosen = self.validators if among is None else among
        eventually(
            lambda: all(validator.height >= height for validator in chosen),
            lambda: (
                f"block {height} of {[validator.index for validator in chosen]}, which are at"
                f" {[validator.height for validator in chosen]}; {self.story()}"
            ),
        )

    def acknowledge(self, more: int = 8) -> None:
        """Wait until clients got that many more answers."""
        assert self.load is not None
        load, before = self.load, len(self.load.acknowledged)
        eventually(
            lambda: len(load.acknowledged) >= before + more or any(c.wrong for c in load.clients),
            lambda: f"{more} more transfers acknowledged; {self.story()}",
        )
        load.check()

    def story(self) -> str:
        """How each is and the last lines of its log, for whoever reads why a test failed."""
        return "\n".join(
            f"--- validator {validator.index}: {validator.failure() or validator.health()}\n"
            f"{validator.said()[-2_000:]}"
            for validator in self.validators
        )

    def look_over(self, among: Sequence[Validator] | None = None) -> int:
        """What must hold of these (all): one header at each height, nothing acknowledged lost,
        money conserved. The height up to which all were compared."""
        chosen = self.validators if among is None else among
        acknowledged = self.load.acknowledged if self.load is not None else []
        if acknowledged:  # each is durable where it was acknowledged; wait until it is everywhere
            top = max(one.height for one in acknowledged)
            eventually(
                lambda: all(validator.kept_height() >= top for validator in chosen),
                lambda: f"block {top} everywhere; {self.story()}",
            )
        headers: dict[int, bytes] = {}
        heights: list[int] = []
        for validator in chosen:
            with validator.store() as store, store.snapshot() as view:
                heights.append(_check_headers(view, headers, validator))
                for one in acknowledged:
                    _check_kept(view, one, validator)
                _check_money(view)
        if self.load is not None:
            self.load.check()
        return min(heights)


def _check_headers(view: View, headers: dict[int, bytes], validator: Validator) -> int:
    """Compare a validator's headers with those seen so far; its height."""
    top = 0
    for key, value in view.scan("blocks", b"", None):
        header = decode_trusted(value, StoredBlock).header
        top = int.from_bytes(key, "big")
        own = header_hash(header)
        assert header.height == top
        assert headers.setdefault(top, own) == own, (
            f"validator {validator.index} has another block {top}: {header}"
        )
    return top


def _check_kept(view: View, one: Acknowledged, validator: Validator) -> None:
    place = view.get("transactions", bytes.fromhex(one.transaction))
    assert place is not None, f"{one} was acknowledged and validator {validator.index} lost it"
    location = decode_trusted(place, Location)
    stored = view.get("results", entry_key(location.height, location.index))
    assert stored is not None
    result = decode_trusted(stored, TransactionResult)
    kept = (location.height, result.status, result.fee, result.output.hex())
    assert kept == (one.height, "ok", one.fee, one.output)


def _check_money(view: View) -> None:
    """LEDGER-3, recomputed from the records: transfers hold nothing in escrow."""
    state = fresh_journal(view)
    assert sum(account.balance for _, account in records.accounts.scan(state)) == SUPPLY


# ---- making them ----------------------------------------------------------------------------


def make_network(folder: Path, binary: Path, wires: Wires | None = None) -> Network:
    """Four validators that have not begun, on the loopback or each at its end of `wires`."""
    count = len(WALLETS)
    folder.mkdir(parents=True, exist_ok=True)
    hosts = [LOOPBACK] * count if wires is None else [wires.address(at) for at in range(count)]
    ports = free_ports(3 * count)
    homes = [Layout(folder / str(index)) for index in range(count)]
    identities = [create_keys(layout) for layout in homes]
    addresses = [f"{hosts[at]}:{ports[3 * at]}" for at in range(count)]
    listens = [f"{hosts[at]}:{ports[3 * at + 1]}" for at in range(count)]
    first = genesis(
        signer="",
        validators=tuple(
            GenesisValidator(
                identity.public_key, POWER, wallet.address, identity.node_id, f"http://{listen}"
            )
            for identity, wallet, listen in zip(identities, WALLETS, listens, strict=True)
        ),
    )
    validators: list[Validator] = []
    for index, (layout, identity) in enumerate(zip(homes, identities, strict=True)):
        peers = [
            f"{other.node_id}@{address}"
            for other, address in zip(identities, addresses, strict=True)
            if other is not identity
        ]
        settings = NodeSettings(
            SETTINGS_FORMAT,
            f"validator-{index}",
            addresses[index],
            f"{LOOPBACK}:{ports[3 * index + 2]}",
            tuple(peers),
        )
        save_settings(layout, settings)
        layout.genesis.write_bytes(encode_genesis_file(first))
        validators.append(
            Validator(
                index,
                layout.home,
                settings,
                identity,
                listens[index],
                folder / f"{index}.log",
                binary,
                wires.places[index] if wires is not None else None,
            )
        )
    return Network(first, validators)


@contextmanager
def running_network(folder: Path, binary: Path, wires: Wires | None = None) -> Iterator[Network]:
    """Four validators that make blocks, under load; all ended at the end."""
    network = make_network(folder, binary, wires)
    try:
        network.start()
        network.start_load()
        network.acknowledge()
        yield network
    finally:
        network.end()
