"""One network for most faults: each test finds it sound, and leaves it so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.network.harness import Network, running_network


@pytest.fixture(scope="package")
def shared(tmp_path_factory: pytest.TempPathFactory, cometbft: Path) -> Iterator[Network]:
    with running_network(tmp_path_factory.mktemp("faults"), cometbft) as network:
        yield network


@pytest.fixture
def network(shared: Network) -> Iterator[Network]:
    """Four validators under load; looked over once the test is through."""
    shared.mend()
    yield shared
    shared.mend()
    shared.acknowledge()
    shared.look_over()
