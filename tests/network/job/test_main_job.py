"""The main job on four validators, by the command line; one is killed on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance import market
from tests.acceptance.command_line import NOWHERE, SYNNERGY, CommandLine
from tests.acceptance.networks import mixture
from tests.network.support import eventually

VALIDATORS = 4
PASSPHRASE = "a long enough sentence for testers"
FUNDS = 10**9


class Testnet:
    """`synnergy testnet` in a process of its own."""

    __test__ = False

    def __init__(self, home: Path) -> None:
        self.home = home
        environment = {"PATH": os.defpath, "HOME": str(home.parent)}
        for name in ("SYNNERGY_COMETBFT", "PYTHONPATH"):
            if name in os.environ:
                environment[name] = os.environ[name]
        self.process = subprocess.Popen(
            [SYNNERGY, "--json", "testnet", "--validators", str(VALIDATORS), "--home", str(home)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.told: dict[str, Any] = json.loads(self.process.stdout.readline())
        self.apis: list[str] = [one["api"] for one in self.told["validators"]]

    def health(self, api: str) -> dict[str, Any] | None:
        try:
            answer = httpx.get(f"{api}/health", timeout=5)
        except httpx.HTTPError:
            return None
        return answer.json() if answer.status_code == 200 else None

    def app_hash(self, api: str, height: int) -> str | None:
        answer = httpx.get(f"{api}/v1/blocks/{height}", timeout=5)
        return answer.json()["app_hash"] if answer.status_code == 200 else None


@pytest.fixture
def testnet(tmp_path: Path, cometbft: Path) -> Iterator[Testnet]:
    made = Testnet(tmp_path / "net")
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()


def register(cli: CommandLine, name: str, *roles: str) -> None:
    """A wallet of this home, registered and with funds."""
    cli.ask("wallet", "create", name)
    request = cli.home / f"{name}.request"
    cli.ask("wallet", "request", name, "--out", request)
    named = [word for role in roles for word in ("--role", role)]
    cli.ask(
        *("regulator", "register", request, "--jurisdiction", "GB", *named, "--from", "regulator")
    )
    cli.ask("transfer", name, FUNDS, "--from", "operator")


def test_the_main_job_on_four_validators(testnet: Testnet, tmp_path: Path) -> None:
    assert set(testnet.told) >= {"chain_id", "genesis", "validators"}
    assert Path(testnet.told["genesis"]) == testnet.home / "genesis.json"
    assert all(set(one) >= {"name", "api", "home", "pids"} for one in testnet.told["validators"])
    cli = CommandLine(
        testnet.home,
        testnet.apis[0],
        {"SYNNERGY_PASSPHRASE": PASSPHRASE, "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
    )
    names = {wallet["name"] for wallet in cli.ask("wallet", "ls")["wallets"]}
    assert names == {"operator", "regulator"}
    register(cli, "publisher", "publisher")
    register(cli, "consumer", "consumer")
    sale = market.sell(cli, tmp_path, "net", mixture())
    bought = market.buy(cli.at(testnet.apis[1]), sale, calls=3)
    first = cli.at(testnet.apis[2]).ask(*market.invocation(bought))

    # The node that this home speaks to dies; the others go on, and the client with them.
    killed = testnet.told["validators"][0]
    os.kill(killed["pids"][0], signal.SIGKILL)
    second = cli.ask(*market.invocation(bought))
    assert second["output"] == first["output"] if "output" in first else True

    # It is started again and catches up.
    def level() -> bool:
        states = [testnet.health(api) for api in testnet.apis]
        heights = [state["height"] if state else -1 for state in states]
        return min(heights) >= second["height"]

    eventually(level, "all four have the last call")
    third = cli.ask(*market.invocation(bought))
    eventually(level, "all four are level")
    for height in range(1, third["height"] + 1):
        hashes = {
            eventually(lambda api=api, at=height: testnet.app_hash(api, at), f"block {height}")
            for api in testnet.apis
        }
        assert len(hashes) == 1, (height, hashes)

    # A receipt needs no node at all: the genesis says whose signatures count.
    file = tmp_path / "call.receipt"
    cli.ask("receipt", "export", second["receipt"], "--out", file)
    testnet.process.send_signal(signal.SIGTERM)
    assert testnet.process.wait(60) == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    trusted = elsewhere / "genesis.json"
    trusted.write_bytes((testnet.home / "genesis.json").read_bytes())
    alone = CommandLine(elsewhere / "home", NOWHERE, {"PYTHONPATH": cli.environment["PYTHONPATH"]})
    words = ("receipt", "verify", file, "--model", sale.file, "--input", sale.input)
    verified = alone.ask(*words, "--trusted", trusted)
    assert verified["verified"] is True
    other = elsewhere / "other.json"
    other.write_bytes(trusted.read_bytes().replace(b'"power": "10"', b'"power": "11"'))
    alone.fail(*words, "--trusted", other)
