"""When a node says that no peer is connected."""

from __future__ import annotations

import pytest

from synnergy.engines.cometbft.engine import ALONE_SECONDS, Company


@pytest.mark.parametrize(
    ("named", "peers", "complains"),
    [
        (True, (0,), True),
        (True, (1, 0), True),  # those that refuse it are connected for a moment at a time
        (True, (1,), False),
        (True, (2, 1), False),
        (False, (0,), False),
    ],
)
def test_a_node_without_company_says_so(
    named: bool, peers: tuple[int, ...], complains: bool
) -> None:
    company = Company(named, 0)
    seconds = range(1, 2 * int(ALONE_SECONDS) + 5)
    told = [now for now in seconds if company.lacks(peers[now % len(peers)], now)]
    first = int(ALONE_SECONDS) + 1
    assert told == ([first, 2 * first] if complains else [])
