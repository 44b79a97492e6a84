"""The session of docs/network.md runs as it stands."""

from __future__ import annotations

import pytest

from tests.test_readme import block, play


@pytest.mark.usefixtures("cometbft")
def test_the_session_of_the_network_page_runs() -> None:
    out = play(block("docs/network.md", "session"))
    assert "equal app hashes" in out and "the receipt holds" in out
