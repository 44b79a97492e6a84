from __future__ import annotations

import os
from pathlib import Path

import pytest

from synnergy.engines.cometbft.process import NoCometBFT, find_cometbft
from tests.conftest import NOT_TESTED


@pytest.fixture(scope="session")
def cometbft() -> Path:
    """CometBFT's program. Without it these tests are skipped, or fail where they are required."""
    try:
        return find_cometbft()
    except NoCometBFT as missing:
        if os.environ.get("SYNNERGY_REQUIRE_COMETBFT") == "1":
            pytest.fail(f"SYNNERGY_REQUIRE_COMETBFT=1, but {missing}")
        pytest.skip(f"{NOT_TESTED}: {missing}")
