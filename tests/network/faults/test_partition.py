"""NET-72: a network in two halves decides nothing, three of four go on; healed, all are one again.

Each validator has a network namespace of its own. Making those takes root, or the right to.
"""

from __future__ import annotations

import os

import pytest

from tests.conftest import NOT_TESTED
from tests.network.harness import Network
from tests.network.namespaces import NoNamespaces, Wires


@pytest.fixture
def parting(wires: Wires | NoNamespaces) -> Wires:
    if isinstance(wires, Wires):
        return wires
    if os.environ.get("SYNNERGY_REQUIRE_NAMESPACES") == "1":
        pytest.fail(f"SYNNERGY_REQUIRE_NAMESPACES=1, but {wires}")
    pytest.skip(f"{NOT_TESTED}: no network namespaces here: {wires}")


def test_two_and_two(network: Network, parting: Wires) -> None:
    parting.part([0, 1])
    try:
        network.stand_still(network.validators)
    finally:
        parting.heal()
    network.go_on()
    network.acknowledge()


def test_one_and_three(network: Network, parting: Wires) -> None:
    alone, others = network.apart(2)
    parting.part([2])
    try:
        network.stand_still([alone])
        network.go_on(others, blocks=4)
        network.acknowledge()
    finally:
        parting.heal()
    network.reach(network.go_on(others), [alone])
