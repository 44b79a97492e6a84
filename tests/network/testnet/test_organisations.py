"""Two organisations, a machine and a node each, as docs/network.md tells them to go about it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from synnergy.engines.cometbft.files import Layout, read_identity
from tests.network.support import eventually, free_ports
from tests.network.testnet.networks import COMMAND, environment, health

PASSPHRASE = "open sesame"


def ask(home: Path, *words: object, node: str = "") -> dict[str, Any]:
    """The reply of a command in a home, which succeeds."""
    done = subprocess.run(
        [*COMMAND, "--json", *map(str, words)],
        env=environment(home, node) | {"SYNNERGY_PASSPHRASE": PASSPHRASE},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return json.loads(done.stdout)


@contextmanager
def node(home: Path, listen: str) -> Iterator[str]:
    """The node of a home while it runs; its URL."""
    with (home / "node.log").open("a") as log:
        process = subprocess.Popen(
            [*COMMAND, "start", "--engine", "cometbft", "--listen", listen],
            env=environment(home),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    try:
        with process.stdout:
            line = process.stdout.readline()
            assert "is ready at" in line, (home / "node.log").read_text()
        yield f"http://{listen}"
    finally:
        process.terminate()
        assert process.wait(60) == 0, (home / "node.log").read_text()


@pytest.mark.usefixtures("cometbft")
def test_one_begins_a_network_and_the_other_joins_and_votes(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    addresses = [f"127.0.0.1:{port}" for port in free_ports(6)]
    api, p2p, rpc = addresses[:3]
    ask(one, "init", "--engine", "cometbft", "--p2p", p2p, "--rpc", rpc)
    peer = f"{read_identity(Layout(one)).node_id}@{p2p}"
    with ExitStack() as stack:
        url = stack.enter_context(node(one, api))
        eventually(lambda: health(url)["height"] > 0, "the first block")

        genesis = one / "genesis.json"
        settings = ("--p2p", addresses[4], "--rpc", addresses[5])
        joining = ask(other, "validator", "init", "--genesis", genesis, "--peers", peer, *settings)
        register = ("--jurisdiction", "DE", "--role", "operator", "--from", "regulator")
        ask(one, "regulator", "register", joining["request"], *register, node=url)
        admit = ("admit", joining["statement"], "--power", 0, "--from", "regulator")
        ask(one, "regulator", "validator", *admit, node=url)
        second = stack.enter_context(node(other, addresses[3]))
        eventually(
            lambda: (now := health(second))["height"] > 0 and not now["catching_up"],
            "the second has caught up",
        )

        power = ("power", joining["public_key"], 10, "--from", "regulator", "--force")
        ask(one, "regulator", "validator", *power, node=url)
        ask(one, "transfer", joining["operator"], 1_000, "--from", "operator", node=second)
        listed = ask(other, "validator", "ls", node=second)["validators"]
        assert [member["power"] for member in listed] == [10, 10]
        eventually(
            lambda: health(url)["app_hash"] == health(second)["app_hash"], "equal app hashes"
        )
