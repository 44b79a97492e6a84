"""One network for all faults: each test finds it sound, and leaves it so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.network.harness import Network, running_network
from tests.network.namespaces import NoNamespaces, Wires, open_wires


@pytest.fixture(scope="package")
def wires() -> Iterator[Wires | NoNamespaces]:
    """A namespace for each validator, or why there can be none; then they share the loopback."""
    with ExitStack() as stack:
        try:
            opened: Wires | NoNamespaces = stack.enter_context(open_wires(4))
        except NoNamespaces as missing:
            opened = missing
        yield opened


@pytest.fixture(scope="package")
def shared(
    tmp_path_factory: pytest.TempPathFactory, cometbft: Path, wires: Wires | NoNamespaces
) -> Iterator[Network]:
    folder = tmp_path_factory.mktemp("faults")
    with running_network(folder, cometbft, wires if isinstance(wires, Wires) else None) as network:
        yield network


@pytest.fixture
def network(shared: Network) -> Iterator[Network]:
    """Four validators under load; looked over once the test is through."""
    shared.mend()
    yield shared
    shared.mend()
    shared.acknowledge()
    shared.look_over()
