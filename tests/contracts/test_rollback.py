"""Random trees of calls against a model that copies the world before each (CONTRACT-7)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synnergy.opcodes.ledger import Transfer
from synnergy.wire.codec import encode
from tests.contracts.puppet import CALL, EVENT, REVERT, TRANSFER, TRAP, WRITE, step
from tests.contracts.support import ask, call, deploy, stored
from tests.ledger.harness import CONSUMER, Ledger

#: Gas of a called frame by its depth: enough for what can be in it, so that only its own failure
#: is one, and a trap burns no more than this.
GAS = (40_000_000, 6_000_000, 1_000_000, 150_000)
DEPTH = 3
CONTRACTS = 3
KEYS = (b"a", b"b")


@dataclass(frozen=True)
class Write:
    key: bytes
    value: bytes


@dataclass(frozen=True)
class Pay:
    amount: int


@dataclass(frozen=True)
class Say:
    name: str


@dataclass(frozen=True)
class Fail:
    op: int


@dataclass(frozen=True)
class Nested:
    contract: int
    amount: int
    catch: bool
    steps: tuple[Step, ...]


Step = Write | Pay | Say | Fail | Nested


@dataclass
class World:
    """Everything a step can change."""

    balances: list[int]
    storage: list[dict[bytes, bytes]]
    paid: int = 0
    said: list[str] = field(default_factory=list)

    def copy(self) -> World:
        return World(
            list(self.balances), [dict(one) for one in self.storage], self.paid, list(self.said)
        )


class Failed(Exception):
    pass


def play(world: World, me: int, steps: tuple[Step, ...]) -> None:
    """Carry the steps out, as contract number `me`; raises Failed, leaving the world half done."""
    for one in steps:
        match one:
            case Write(key, value):
                if value:
                    world.storage[me][key] = value
                else:
                    world.storage[me].pop(key, None)
            case Pay(amount):
                if world.balances[me] < amount:
                    raise Failed
                world.balances[me] -= amount
                world.paid += amount
            case Say(name):
                world.said.append(name)
            case Fail():
                raise Failed
            case Nested(contract, amount, catch, inner):
                before = world.copy()
                try:
                    if world.balances[me] < amount:
                        raise Failed
                    world.balances[me] -= amount
                    world.balances[contract] += amount
                    play(world, contract, inner)
                except Failed:
                    if not catch:
                        raise
                    world.balances, world.storage = before.balances, before.storage
                    world.paid, world.said = before.paid, before.said


def written(steps: tuple[Step, ...], addresses: list[str], depth: int = 1) -> bytes:
    """The same steps as a puppet's input."""
    parts: list[bytes] = []
    for one in steps:
        match one:
            case Write(key, value):
                parts.append(step(WRITE, key + value))
            case Pay(amount):
                parts.append(step(TRANSFER, encode(Transfer(CONSUMER.address, amount))))
            case Say(name):
                parts.append(step(EVENT, name.encode()))
            case Fail(op):
                parts.append(step(op))
            case Nested(contract, amount, catch, inner):
                block = ask(
                    addresses[contract],
                    written(inner, addresses, depth + 1),
                    amount=amount,
                    gas=GAS[depth],
                    catch=catch,
                )
                parts.append(step(CALL, block))
    return b"".join(parts)


def steps_of(depth: int) -> st.SearchStrategy[tuple[Step, ...]]:
    leaves: list[st.SearchStrategy[Step]] = [
        st.builds(Write, st.sampled_from(KEYS), st.binary(max_size=3)),
        st.builds(Pay, st.integers(0, 60)),
        st.builds(Say, st.sampled_from(("one", "two"))),
        st.builds(Fail, st.sampled_from((REVERT, TRAP))),
    ]
    if depth < DEPTH:
        nested = st.builds(
            Nested,
            st.integers(0, CONTRACTS - 1),
            st.integers(0, 60),
            st.booleans(),
            steps_of(depth + 1),
        )
        leaves += [nested] * 3
    return st.lists(st.one_of(leaves), max_size=4).map(tuple)


@pytest.fixture(scope="module")
def stage() -> Iterator[tuple[Ledger, list[str]]]:
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "data")
        yield ledger, [deploy(ledger) for _ in range(CONTRACTS)]
        ledger.close()


@settings(max_examples=150, deadline=None)
@given(steps=steps_of(0))
def test_a_failed_frame_is_undone_alone(
    stage: tuple[Ledger, list[str]], steps: tuple[Step, ...]
) -> None:
    ledger, addresses = stage
    world = World(
        [ledger.balance(address) for address in addresses],
        [
            {key: value for key in KEYS if (value := stored(ledger, address, key)) is not None}
            for address in addresses
        ],
    )
    held = ledger.balance(CONSUMER.address)
    expected = world.copy()
    expected.balances[0] += 100
    try:
        play(expected, 0, steps)
        status = "ok"
    except Failed:
        expected, status = world, "refused"
    done = call(ledger, addresses[0], written(steps, addresses), amount=100, gas_limit=200_000_000)
    assert done.status == status, (done.code, done.message)
    assert [ledger.balance(address) for address in addresses] == expected.balances
    assert ledger.balance(CONSUMER.address) - held == expected.paid
    for address, storage in zip(addresses, expected.storage, strict=True):
        assert {key: stored(ledger, address, key) for key in KEYS} == {
            key: storage.get(key) for key in KEYS
        }
    names = [event.name for event in done.events if event.name.startswith("program.")]
    assert names == [f"program.{name}" for name in expected.said]
