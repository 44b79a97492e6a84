from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ledger.harness import Ledger
from tests.network.membership.support import open_network


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A network with two regulators, either of whom may act for both."""
    opened = open_network(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Ledger]:
    """A network with two regulators who must both agree."""
    opened = open_network(tmp_path / "pair", threshold=2)
    yield opened
    opened.close()
