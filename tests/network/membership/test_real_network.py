"""NET-10, NET-15, NET-42 with real validators: one joins, is given a vote, another one leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from synnergy.engines.cometbft.files import Layout, load_settings, read_identity
from synnergy.engines.cometbft.rpc import CometRpc, CometUnreachable
from tests.cli.support import run
from tests.network.support import eventually, free_ports

READY_SECONDS = 120


@contextmanager
def process(log: Path, *words: object) -> Iterator[str]:
    """`synnergy WORDS` in a process of its own: the first line that it prints."""
    environment = {name: it for name, it in os.environ.items() if "SYNNERGY_" not in name}
    command = [sys.executable, "-m", "synnergy", *map(str, words)]
    with log.open("wb") as errors, (log.parent / f"{log.name}.out").open("wb+") as output:
        running = subprocess.Popen(command, env=environment, stdout=output, stderr=errors)
        try:

            def first_line() -> str:
                assert running.poll() is None, log.read_text()
                line, newline, _ = Path(output.name).read_text().partition("\n")
                return line if newline else ""

            yield eventually(first_line, f"a first line of {words}", READY_SECONDS)
        finally:
            running.send_signal(signal.SIGTERM)
            try:
                assert running.wait(60) == 0, log.read_text()[-2_000:]
            finally:
                running.kill()


def health(url: str) -> dict[str, Any]:
    try:
        return httpx.get(f"{url}/health", trust_env=False).json()
    except httpx.HTTPError:
        return {"height": -1}


def app_hash(url: str, height: int) -> str:
    return httpx.get(f"{url}/v1/blocks/{height}", trust_env=False).json()["app_hash"]


def comet(home: Path) -> CometRpc:
    return CometRpc(load_settings(Layout(home)).rpc)


def weights(home: Path) -> dict[str, int]:
    """What CometBFT says who decides the next block, by CometBFT's address."""
    with comet(home) as rpc:
        decide = rpc.validators(rpc.status().sync_info.latest_block_height)
    return {one["address"]: int(one["voting_power"]) for one in decide}


def peers(home: Path) -> set[str]:
    try:
        with comet(home) as rpc:
            return {peer.node_info.id for peer in rpc.net_info().peers}
    except CometUnreachable:
        return set()


@dataclass
class Commands:
    """The commands, on the home of a network's wallets."""

    home: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: object, home: Path | None = None) -> dict[str, Any]:
        done = run(self.capsys, "--json", "--home", home or self.home, *words)
        assert done.code == 0, done.out + done.err
        return done.json

    def make_blocks(self, count: int) -> int:
        """So many blocks that nobody has to wait for; the height of the last."""
        operator = self("balance", "operator")["address"]
        sent = [self("transfer", operator, 1, "--from", "operator") for _ in range(count)]
        return sent[-1]["height"]


def test_one_joins_and_another_leaves(
    cometbft: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in os.environ if name.startswith("SYNNERGY_")]:
        monkeypatch.delenv(name)
    network, joining = tmp_path / "net", tmp_path / "joining"
    commands = Commands(network, capsys)
    testnet = ("testnet", "--validators", 2, "--home", network, "--restart-after", 1, "--json")
    with ExitStack() as stack:
        told = json.loads(stack.enter_context(process(tmp_path / "testnet.log", *testnet)))
        (stays, leaves), homes = (
            told["validators"],
            [Path(one["home"]) for one in told["validators"]],
        )
        listed = commands("validator", "ls")["validators"]
        address = {one["node_id"]: one["address"] for one in listed}
        ids = [read_identity(Layout(home)).node_id for home in homes]

        # A machine that nobody admitted is nobody's peer, whatever it says.
        ports = free_ports(2)
        made = commands(
            *("validator", "init", "--genesis", told["genesis"], "--peers"),
            ",".join(
                f"{identifier}@{load_settings(Layout(home)).p2p}"
                for identifier, home in zip(ids, homes, strict=True)
            ),
            *("--p2p", f"127.0.0.1:{ports[0]}", "--rpc", f"127.0.0.1:{ports[1]}"),
            home=joining,
        )
        start = ("--home", joining, "start", "--listen", "127.0.0.1:0")
        log = tmp_path / "joining.log"
        with process(log, *start) as ready:
            url = next(word for word in ready.split() if word.startswith("http://"))
            eventually(lambda: ids[0] in log.read_text(), "an attempt to reach a peer")
            commands.make_blocks(1)
            for home in homes:
                assert made["node_id"] not in peers(home)
            assert health(url)["height"] == 0

        # Admitted without a vote, it follows the chain from its first block on.
        commands(
            *("regulator", "register", made["request"], "--jurisdiction", "GB"),
            *("--role", "operator", "--from", "regulator"),
        )
        admit = ("regulator", "validator", "admit", made["statement"], "--from", "regulator")
        height = commands(*admit, "--power", 0)["height"]
        url = next(
            word
            for word in stack.enter_context(process(log, *start)).split()
            if word.startswith("http://")
        )
        eventually(lambda: health(url)["height"] >= height, "the admission on the joining node")
        assert made["node_id"] in peers(homes[0])
        assert app_hash(url, height) == app_hash(stays["api"], height)
        power = ("regulator", "validator", "power", made["public_key"], 5, "--from", "regulator")
        commands(*power)
        commands.make_blocks(2)
        mine = next(
            one["address"]
            for one in commands("validator", "ls")["validators"]
            if one["public_key"] == made["public_key"]
        )
        moved = eventually(lambda: mine in (found := weights(homes[0])) and found, "its vote")
        assert moved == {address[ids[0]]: 10, address[ids[1]]: 10, mine: 5}

        # One of the first two is removed: the others decide, and it is told no block any more.
        gone = {one["node_id"]: one["public_key"] for one in listed}[ids[1]]
        commands("regulator", "validator", "remove", gone, "--from", "regulator")
        commands.make_blocks(2)
        left = eventually(
            lambda: address[ids[1]] not in (found := weights(homes[0])) and found, "its removal"
        )
        assert left == {address[ids[0]]: 10, mine: 5}
        for pid in leaves["pids"]:
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: ids[1] not in peers(homes[0]), "the end of a connection")
        height = commands.make_blocks(3)
        behind = eventually(
            lambda: max(health(leaves["api"])["height"], 0), "the node that was removed, again"
        )
        assert behind < height
        eventually(lambda: health(url)["height"] >= height, "the last block on the new one")
        assert app_hash(url, height) == app_hash(stays["api"], height)
        assert ids[1] not in peers(homes[0]) and ids[1] not in peers(joining)
