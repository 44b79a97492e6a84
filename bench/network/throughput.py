"""What four validators commit at rising load: theirs, and ours in three ways."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.ledger import key
from bench.network import kvstore
from bench.network.invocations import invocations, put_on_sale
from bench.network.kvstore import VALIDATORS
from bench.network.rising import Network, Shipment, Step, climb, drive
from bench.network.signing import BUNDLED, bundles, singles, transfers
from bench.network.validators import Validators
from synnergy.client.api import Node

#: Transactions/s offered in turn, until a load isn't followed.
KVSTORE_RATES = (3_000, 4_000, 5_000, 6_000, 7_000, 8_000)
RATES = (1_000, 1_500, 2_000, 2_500, 3_000, 4_000, 6_000)
API_RATES = (250, 500, 1_000, 2_000)
INVOCATION_RATES = (100, 200, 400, 800)
SECONDS = 6.0
#: Wallets that a step's transactions are of, at most; none is used in two steps.
WALLETS = 1_000
#: A wallet's transactions in a step, at least.
EACH = 4
#: Connections to each API.
CONNECTIONS = 25
SAMPLE = 20

#: What goes before the first step, so that it finds no cold network: transactions/s, seconds.
WARM_UP = 500.0, 2.0

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Measured:
    """The most that was committed, in transactions/s, and the step at half of that."""

    most: float
    half: Step


@dataclass
class Wallets:
    """Numbers of a network's wallets that no step has used; `last` is the highest there is."""

    last: int
    _used: int = 0

    def take(self, count: int) -> list[int]:
        first, self._used = self._used + 1, self._used + count
        assert self._used <= self.last, f"{self._used} wallets are needed, there are {self.last}"
        return list(range(first, self._used + 1))


def needed_wallets() -> int:
    """Wallets that a whole run takes at most: of each way, its steps and the one at half load."""
    return WALLETS * (len(RATES) + 2 + len(API_RATES) + 1 + 1)


def population(rate: float, seconds: float) -> tuple[int, int]:
    """How many wallets make a step's transactions, and how many each; they fill bundles evenly."""
    total = rate * seconds
    even = VALIDATORS * BUNDLED
    count = min(WALLETS, max(even, round(total / EACH / even) * even))
    return count, max(1, round(total / count))


def measure(
    rates: Sequence[float], step: Callable[[float], Step], tell: Tell, halved: bool = True
) -> Measured:
    """Climb, then take half of the most that was committed."""
    taken = climb(rates, step, lambda done: tell(told(done)))
    most = max(done.committed for done in taken)
    half = taken[0]
    if halved:
        half = step(most / 2)
        tell(f"half load: {told(half)}")
    return Measured(most, half)


def told(step: Step) -> str:
    """A step in a line."""
    lacking = f", {step.lost} lost ({step.complaint})" if step.lost else ""
    return (
        f"{step.offered:,.0f}/s offered, {step.committed:,.0f}/s committed, finality"
        f" {step.mean:.2f} s, p95 {step.p95:.2f} s, largest block {step.largest},"
        f" generator late by {step.late * 1000:.0f} ms{lacking}"
    )


def of_kvstore(network: Network, folder: Path, tell: Tell, rates: Sequence[float]) -> Measured:
    """Random keys and values of 250 bytes, in batches of 50."""

    def step(rate: float, seconds: float = SECONDS) -> Step:
        made = kvstore.shipments(network.lanes, int(rate * seconds), seed=int(rate))
        return drive(network, made, rate, folder)

    step(*WARM_UP)
    return measure(rates, step, tell)


def of_bundles(
    ours: Validators, folder: Path, tell: Tell, wallets: Wallets, rates: Sequence[float]
) -> Measured:
    """Signed transfers in bundles of 50, handed to the mempools as theirs are."""
    network = ours.mempools

    def step(rate: float, seconds: float = SECONDS) -> Step:
        return _transfer_step(ours, network, bundles, rate, folder, wallets, seconds)

    step(*WARM_UP)
    return measure(rates, step, tell)


def of_api(
    ours: Validators, folder: Path, tell: Tell, wallets: Wallets, rates: Sequence[float]
) -> Measured:
    """Signed transfers one at a time over HTTP, which the nodes bundle themselves."""
    network = ours.apis(CONNECTIONS)
    return measure(
        rates,
        lambda rate: _transfer_step(ours, network, singles, rate, folder, wallets, SECONDS),
        tell,
    )


def _transfer_step(
    ours: Validators,
    network: Network,
    arrange: Callable[[Sequence[tuple[str, int]], Sequence[Sequence[bytes]]], list[Shipment]],
    rate: float,
    folder: Path,
    wallets: Wallets,
    seconds: float,
) -> Step:
    count, each = population(rate, seconds)
    senders = wallets.take(count)
    made = arrange(network.lanes, transfers(ours.chain_id, senders, each))
    step = drive(network, made, rate, folder)
    if not step.lost:
        check_executed(ours, senders, each)
    return step


def of_invocations(
    ours: Validators, folder: Path, tell: Tell, wallets: Wallets, rates: Sequence[float]
) -> Measured:
    """Calls of the small example with one row each, in bundles as the transfers are.

    All licences are bought before. Some wallets climb, with calls of the next step left as long as
    none was lost; others make the step at half load.
    """
    sold = put_on_sale(ours.members[0])
    network = ours.mempools
    at_once = VALIDATORS * BUNDLED
    climbing, halving = wallets.take(at_once), wallets.take(at_once)
    each = {rate: max(1, round(rate * SECONDS / at_once)) for rate in rates}
    left = invocations(ours.chain_id, sold, climbing, sum(each.values()))
    spare = invocations(ours.chain_id, sold, halving, max(each.values()))
    purchases = bundles(network.lanes, [wallet[:1] for wallet in (*left, *spare)])
    bought = drive(network, purchases, max(rates), folder)
    assert not bought.lost, told(bought)
    done = 1

    def step(rate: float) -> Step:
        nonlocal done
        halved = rate not in each
        calls = max(1, round(rate * SECONDS / at_once)) if halved else each[rate]
        source, senders, start = (spare, halving, 1) if halved else (left, climbing, done)
        made = [wallet[start : start + calls] for wallet in source]
        taken = drive(network, bundles(network.lanes, made), rate, folder)
        if not taken.lost:
            check_executed(ours, senders, start + calls)
        if not halved:
            done += calls
        return taken

    return measure(rates, step, tell)


def check_executed(ours: Validators, senders: Sequence[int], nonce: int) -> None:
    """Whether a block that held a transaction also executed it, by some of the senders' nonces.

    Raises AssertionError else: what isn't admissible leaves the nonce as it was.
    """
    address = ours.members[0].api
    with Node(f"http://{address[0]}:{address[1]}") as node:
        for sender in random.Random(0).sample(senders, min(SAMPLE, len(senders))):
            found = node.account(key(sender).address).nonce
            assert found == nonce, f"wallet {sender}: nonce {found}, {nonce} expected"
