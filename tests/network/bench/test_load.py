"""The load generator against a real network of CometBFT's kvstore."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.network import kvstore, rising


@pytest.fixture
def network(cometbft: Path, tmp_path: Path) -> Iterator[rising.Network]:
    with kvstore.running_kvstore(cometbft, tmp_path / "network") as running:
        yield running


def test_load_is_sent_on_time_and_found_in_blocks(network: rising.Network, tmp_path: Path) -> None:
    sent = kvstore.shipments(network.lanes, 300, seed=1)
    step = rising.drive(network, sent, 200.0, tmp_path)
    assert (step.lost, step.refused, step.complaint) == (0, 0, "")
    assert step.committed > 0
    assert 0 < step.mean <= step.p95
    assert 0 < step.largest <= 300

    # What a block holds already isn't taken again, and is reported as lost.
    again = rising.drive(network, sent, 200.0, tmp_path)
    assert again.refused == again.lost == 300
    assert "already exists in cache" in again.complaint
    assert not again.follows
