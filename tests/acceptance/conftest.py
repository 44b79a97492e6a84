"""A development ledger for everyone; whoever kills or stops a node makes a ledger of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance import market
from tests.acceptance.command_line import CommandLine, Node, start
from tests.acceptance.networks import mixture


@dataclass(frozen=True)
class Ledger:
    """A running development ledger and its command line."""

    type: CommandLine
    node: Node


def new_ledger(home: Path, *more: object) -> Ledger:
    home.parent.mkdir(parents=True, exist_ok=True)
    CommandLine(home).ask("init", "--dev", *more)
    node = start(home)
    return Ledger(CommandLine(home, node.url), node)


@pytest.fixture(scope="session")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """One for all; when everything is over it stops cleanly and replays without a difference."""
    made = new_ledger(tmp_path_factory.mktemp("shared") / "home")
    try:
        yield made
        head = made.type.ask("chain", "show")
        assert made.node.stop() == 0
        replayed = made.type.ask("chain", "replay")
        assert replayed["app_hash"] == head["app_hash"]
        assert replayed["height"] == head["height"]
    finally:
        made.node.process.kill()


@pytest.fixture
def cli(ledger: Ledger) -> CommandLine:
    return ledger.type


@pytest.fixture
def own_ledger(tmp_path: Path) -> Iterator[Callable[..., Ledger]]:
    """Makes ledgers of a test's own."""
    made: list[Ledger] = []

    def make(name: str = "home", *more: object) -> Ledger:
        made.append(new_ledger(tmp_path / name, *more))
        return made[-1]

    yield make
    for one in made:
        one.node.process.kill()


@pytest.fixture(scope="session")
def on_sale(ledger: Ledger, tmp_path_factory: pytest.TempPathFactory) -> market.Sale:
    """A small model that anyone may buy."""
    return market.sell(ledger.type, tmp_path_factory.mktemp("on_sale"), "common", mixture())


@pytest.fixture(scope="session")
def bought(ledger: Ledger, on_sale: market.Sale) -> market.Bought:
    """Calls that nobody uses up."""
    return market.buy(ledger.type, on_sale, calls=50)
