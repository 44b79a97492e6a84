"""NET-72: a network in two halves decides nothing, three of four go on; healed, all are one again.

Each validator has a network namespace of its own. Making those takes root, or the right to.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import NOT_TESTED
from tests.network.harness import Network, running_network
from tests.network.namespaces import NoNamespaces, Wires, open_wires


@pytest.fixture(scope="module")
def wires() -> Iterator[Wires]:
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(open_wires(4))
        except NoNamespaces as missing:
            if os.environ.get("SYNNERGY_REQUIRE_NAMESPACES") == "1":
                pytest.fail(f"SYNNERGY_REQUIRE_NAMESPACES=1, but {missing}")
            pytest.skip(f"{NOT_TESTED}: no network namespaces here: {missing}")
        yield opened


@pytest.fixture(scope="module")
def parted(
    wires: Wires, cometbft: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Network]:
    folder = tmp_path_factory.mktemp("parted")
    with running_network(folder, cometbft, wires) as network:
        yield network


def test_two_and_two(parted: Network, wires: Wires) -> None:
    wires.part([0, 1])
    parted.stand_still(parted.validators)
    wires.heal()
    parted.go_on()
    parted.acknowledge()
    parted.look_over()


def test_one_and_three(parted: Network, wires: Wires) -> None:
    alone, others = parted.apart(2)
    wires.part([2])
    parted.stand_still([alone])
    parted.go_on(others, blocks=4)
    parted.acknowledge()
    wires.heal()
    parted.reach(parted.go_on(others), [alone])
    parted.look_over()
