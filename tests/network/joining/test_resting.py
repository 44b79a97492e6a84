"""NET-36: CometBFT starts anew under way, and its files let go of what was pruned."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from synnergy.client.api import Node
from synnergy.client.genesis import NewLedger
from synnergy.client.home import Home
from synnergy.client.network import open_network
from tests.network.joining.driver import running
from tests.network.joining.test_real_network import carry, holding
from tests.network.membership.test_real_network import Commands, app_hash, health
from tests.network.support import eventually


def test_validators_rest_and_the_ledger_goes_on(
    cometbft: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two, each of which the other needs: neither loses what it accepted."""
    for name in [name for name in os.environ if name.startswith("SYNNERGY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SYNNERGY_COMETBFT", str(cometbft))
    monkeypatch.setenv("SYNNERGY_LOG", "info")
    network = Home(tmp_path / "net")
    commands = Commands(network.root, capsys)
    members = open_network(network, 2, NewLedger("rests", development=True)).members
    logs = [tmp_path / f"{member.name}.log" for member in members]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(running(10, log, member.home, member.listen))
            for member, log in zip(members, logs, strict=True)
        ]
        for member, log in zip(members, logs, strict=True):
            eventually(lambda: health(member.api)["height"] >= 1, log.read_text)  # noqa: B023
        node = stack.enter_context(Node(members[0].api))
        _, height = carry(node, network)
        assert all(holding(member.home / "cometbft") for member in members)
        commands("regulator", "retention", "--days", 6 / 86_400, "--from", "regulator")

        def clean() -> bool:
            # Each transfer is acknowledged, whether a node rests or not.
            commands.make_blocks(1)
            return not any(holding(member.home) for member in members)

        eventually(clean, "files without what was pruned")
        for process, log in zip(processes, logs, strict=True):
            assert process.poll() is None
            assert "cometbft rests" in log.read_text()
        top = commands.make_blocks(1)
        assert top > height
        for member in members:
            eventually(lambda: health(member.api)["height"] >= top, "the last block")  # noqa: B023
        assert app_hash(members[0].api, top) == app_hash(members[1].api, top)
