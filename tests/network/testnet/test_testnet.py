"""`synnergy testnet`: a network of validators on this machine, as whoever types it meets it."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from synnergy.chain.genesis import chain_id_of, decode_genesis_file
from synnergy.engines.cometbft.process import NoCometBFT
from tests.cli.support import run
from tests.network.support import eventually
from tests.network.testnet.networks import (
    COMMAND,
    Testnet,
    app_hashes,
    environment,
    health,
    run_network,
)
from tests.network.testnet.test_process import alive

pytestmark = pytest.mark.usefixtures("cometbft")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory, cometbft: Path) -> Iterator[Testnet]:
    with run_network(tmp_path_factory.mktemp("four") / "home", "--validators", 4) as running:
        yield running


def test_the_first_line_is_the_network(network: Testnet) -> None:
    first = network.lines[0]
    assert first.keys() == {"chain_id", "genesis", "validators"}
    genesis = decode_genesis_file(Path(first["genesis"]).read_bytes())
    assert first["chain_id"] == chain_id_of(genesis) and len(first["validators"]) == 4
    for validator in first["validators"]:
        assert validator.keys() == {"name", "api", "home", "pids"}
        assert (Path(validator["home"]) / "genesis.json").is_file()
        assert len(validator["pids"]) == 2 and all(alive(pid) for pid in validator["pids"])
        said = health(validator["api"])
        assert said["chain_id"] == first["chain_id"] and said["engine"] == "cometbft"


def test_the_folder_is_the_home_of_the_command_with_any_validator(network: Testnet) -> None:
    before = network.ask(0, "balance", "regulator")["balance"]
    network.ask(1, "transfer", "regulator", 5, "--from", "operator")
    eventually(
        lambda: network.ask(2, "balance", "regulator")["balance"] == before + 5,
        "the balance at another validator",
    )


def test_whoever_holds_the_folder_runs_it_alone(network: Testnet) -> None:
    again = subprocess.run(
        [*COMMAND, "--json", "testnet"], env=environment(network.home), capture_output=True
    )
    assert again.returncode == 1
    assert json.loads(again.stdout)["error"]["code"] == "already_running"


@pytest.mark.parametrize("which", [0, 1], ids=["the node", "its CometBFT"])
def test_one_that_is_killed_comes_back_while_the_others_go_on(
    network: Testnet, which: int
) -> None:
    answered, ended = len(network.events("answers")), len(network.events("ended"))
    # The processes of the third validator as they were told last.
    name = network.validators[2]["name"]
    told = [network.validators[2], *network.events("answers")]
    last = [one["pids"] for one in told if one["name"] == name][-1]
    os.kill(last[which], signal.SIGKILL)
    network.ask(0, "transfer", "regulator", 1, "--from", "operator")
    eventually(lambda: len(network.events("answers")) > answered, "it answers again")
    end = network.events("ended")[ended]
    assert end["name"] == name == network.events("answers")[answered]["name"]
    assert end["again_in"] == 3 and end["reason"]
    assert not any(alive(pid) for pid in last)
    eventually(lambda: len(app_hashes(network)) == 1, "equal app hashes")


def test_heights_are_told_as_they_change(network: Testnet) -> None:
    before = health(network.apis[0])["height"]
    network.ask(3, "transfer", "regulator", 1, "--from", "operator")

    def told() -> bool:
        (state,) = network.events("state")[-1:]
        return all(one["height"] > before for one in state["validators"])

    eventually(told, "heights beyond the transfer's")
    assert network.events("diverged") == []


# ---- ends and beginnings ----------------------------------------------------------------------


def test_asked_to_end_it_ends_all_and_goes_on_the_next_time(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with run_network(home, "--validators", 2) as first:
        first.ask(0, "transfer", "regulator", 7, "--from", "operator")
        height = health(first.apis[0])["height"]
        assert first.stop(signal.SIGTERM) == 0
        assert not any(alive(pid) for pid in first.pids())
    with run_network(home, "--validators", 2) as again:
        assert again.lines[0]["chain_id"] == first.lines[0]["chain_id"]
        assert again.apis == first.apis
        assert health(again.apis[1])["height"] >= height
        assert again.ask(1, "balance", "regulator")["balance"] == 7
        assert again.stop(signal.SIGINT) == 0


def test_with_zero_nobody_comes_back_and_killed_it_leaves_nothing_behind(tmp_path: Path) -> None:
    with run_network(tmp_path / "home", "--validators", 2, "--restart-after", 0) as network:
        os.kill(network.validators[0]["pids"][0], signal.SIGKILL)
        eventually(lambda: network.events("ended"), "the end")
        assert network.events("ended")[0]["again_in"] is None
        eventually(
            lambda: network.events("state")[-1]["validators"][0]["state"] == "ended",
            "it is shown as ended",
        )
        assert network.process.poll() is None and network.events("answers") == []
        assert alive(network.validators[1]["pids"][0])
        assert network.stop(signal.SIGKILL) == -signal.SIGKILL


def test_on_a_terminal_a_table_is_kept_current_until_the_seconds_are_over(
    tmp_path: Path,
) -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "testnet", "--validators", "1", "--seconds", "2"],
        env=environment(tmp_path / "home") | {"COLUMNS": "160", "TERM": "xterm"},
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    )
    os.close(follower)
    shown = b""
    try:
        # The kernel says so by an error when nobody has the other side open any more.
        with contextlib.suppress(OSError):
            while part := os.read(leader, 4096):
                shown += part
        assert process.wait(60) == 0
    finally:
        process.kill()
        os.close(leader)
    for word in ("validator-0", "app hash", "peers", "running", "export SYNNERGY_HOME="):
        assert word in shown.decode()


# ---- refusals ---------------------------------------------------------------------------------


def test_without_cometbft_it_says_how_to_get_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def missing() -> Path:
        raise NoCometBFT("CometBFT is needed; `make cometbft` installs it")

    monkeypatch.setattr("synnergy.engines.cometbft.process.find_cometbft", missing)
    done = run(capsys, "--home", tmp_path / "home", "testnet", "--json")
    assert done.code == 1 and done.json["error"]["code"] == "no_cometbft"
    assert "make cometbft" in done.json["error"]["message"]
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--validators", "0"), ("--validators", "17"), ("--restart-after", "-1"),
        ("--seconds", "-1"), ("--name", "A b"), ("--jurisdiction", "gb"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_wrong_use(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: tuple[str, ...]
) -> None:
    done = run(capsys, "--home", tmp_path / "home", "testnet", *words, "--json")
    assert done.code == 2 and done.json["error"]["code"]


def test_another_ledger_is_left_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(capsys, "--home", tmp_path, "init", "--dev").code == 0
    done = run(capsys, "--home", tmp_path, "testnet", "--json")
    assert done.code == 1 and done.json["error"]["code"] == "other_ledger"
