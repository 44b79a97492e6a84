from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ledger.harness import Ledger, genesis


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Two regulators, either of whom may act for both."""
    opened = Ledger(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Ledger]:
    """Two regulators who must both agree."""
    opened = Ledger(tmp_path / "pair", genesis(threshold=2))
    yield opened
    opened.close()
