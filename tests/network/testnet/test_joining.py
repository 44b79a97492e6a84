"""The home of a node that will join a network (NET-60), and what it asks for (NET-11)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from synnergy.chain.genesis import decode_genesis_file
from synnergy.client.genesis import NewLedger, begin
from synnergy.client.home import Home
from synnergy.client.network import LocalNetwork, open_network
from synnergy.client.validators import read_statement
from synnergy.engines.cometbft.files import Layout, load_settings, read_identity, save_settings
from tests.cli.support import run
from tests.ledger.harness import Ledger

PEER = "ab" * 20 + "@127.0.0.1:26656"


@pytest.fixture
def network(tmp_path: Path) -> LocalNetwork:
    return open_network(Home(tmp_path / "network"), 2, NewLedger(development=True))


def words(network: LocalNetwork, home: Path, *more: str) -> list[str]:
    genesis = str(network.home.genesis)
    return ["--home", str(home), "validator", "init", "--genesis", genesis, *more, "--json"]


def test_a_home_that_is_ready_to_join(
    network: LocalNetwork, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, url = tmp_path / "new", "http://127.0.0.1:7070"
    peers, sync = f"{PEER}, {PEER[:-1]}7", ("--state-sync", "--member", url)
    more = ("--peers", peers, "--p2p", "127.0.0.1:1", "--endpoint", url, *sync)
    fields = run(capsys, *words(network, home, *more)).json
    identity = read_identity(Layout(home))
    assert (fields["node_id"], fields["public_key"]) == (identity.node_id, identity.public_key)
    settings = load_settings(Layout(home))
    assert settings.p2p == "127.0.0.1:1" and settings.peers == (PEER, f"{PEER[:-1]}7")
    assert settings.state_sync and settings.members == (url,)
    assert (home / "genesis.json").read_bytes() == network.home.genesis.read_bytes()
    statement = read_statement(Path(fields["statement"]), network.chain_id).statement
    assert statement.public_key.hex() == identity.public_key
    assert statement.operator == fields["operator"] and statement.endpoint == url
    request = json.loads(Path(fields["request"]).read_text())
    assert request["address"] == fields["operator"] and request["chain_id"] == network.chain_id


def test_given_again_it_keeps_keys_and_changes_settings(
    network: LocalNetwork, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "new"
    first = run(capsys, *words(network, home, "--peers", PEER)).json
    again = run(capsys, *words(network, home, "--peers", PEER, "--rpc", "127.0.0.1:2")).json
    assert again == first
    settings = load_settings(Layout(home))
    assert settings.rpc == "127.0.0.1:2" and not settings.state_sync


def test_given_again_it_keeps_every_setting_that_is_not_named(
    network: LocalNetwork, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, url = tmp_path / "new", "http://127.0.0.1:7070"
    named = ("--peers", PEER, "--p2p", "127.0.0.1:1", "--rpc", "127.0.0.1:2", "--moniker", "m")
    sync = ("--external", "h:3", "--state-sync", "--member", url, "--endpoint", url)
    first = run(capsys, *words(network, home, *named, *sync)).json
    layout = Layout(home)
    edited = replace(load_settings(layout), snapshot_interval=7, keep_blocks=90)
    save_settings(layout, edited)
    assert run(capsys, *words(network, home)).json == first
    assert load_settings(layout) == edited
    again = run(capsys, *words(network, home, "--no-state-sync", "--endpoint", "")).json
    assert again["endpoint"] == "" and again["public_key"] == first["public_key"]
    assert load_settings(layout) == replace(edited, state_sync=False)


def test_a_node_is_not_its_own_peer(
    network: LocalNetwork, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "new"
    own = run(capsys, *words(network, home, "--peers", PEER)).json["node_id"]
    done = run(capsys, *words(network, home, "--peers", f"{PEER},{own}@h:1"))
    assert done.code == 2 and own in done.json["error"]["message"]
    assert load_settings(Layout(home)).peers == (PEER,)


def test_a_restored_home_is_none_to_join_with(
    network: LocalNetwork, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """NET-60: its ledger has blocks of which its CometBFT knows nothing."""
    home = tmp_path / "new"
    ledger = Ledger(home / "data")
    ledger.block()
    ledger.close()
    error = run(capsys, *words(network, home, "--peers", PEER)).json["error"]
    assert error["code"] == "restored_home" and "joins anew" in error["message"]
    assert not Layout(home).root.exists() and not Layout(home).settings.exists()
    layout = Layout(network.members[0].home)
    shutil.copytree(home / "data", layout.home / "data")
    started = run(capsys, "--home", layout.home, "start", "--listen", "127.0.0.1:0", "--json")
    assert started.code == 1 and "ready" not in started.out
    assert "joins anew" in started.json["error"]["message"]


def test_what_a_newcomer_reads(
    network: LocalNetwork, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "new"
    line = [word for word in words(network, home, "--peers", PEER) if word != "--json"]
    done = run(capsys, *line)
    assert f"synnergy --home {home} start --engine cometbft" in done.out.replace("\n", " ")
    assert "LOCAL DEVELOPMENT ONLY" in done.err


@pytest.mark.parametrize(
    ("missing", "said"),
    [("settings", "synnergy validator init"), ("consensus_key", "put that very key back")],
)
def test_a_start_that_lacks_something_leaves_nothing_behind(
    network: LocalNetwork, capsys: pytest.CaptureFixture[str], missing: str, said: str
) -> None:
    layout = Layout(network.members[0].home)
    getattr(layout, missing).unlink()
    done = run(capsys, "--home", layout.home, "start", "--json")
    assert done.code == 1 and said in done.json["error"]["message"]
    assert not (layout.home / "data").exists()


def test_a_networks_folder_is_no_nodes_home(
    network: LocalNetwork, capsys: pytest.CaptureFixture[str]
) -> None:
    done = run(capsys, "--home", network.home.root, "start", "--json")
    assert done.code == 1
    assert f"synnergy --home {network.home.root} testnet" in done.json["error"]["message"]
    assert not network.home.data.exists()


def test_the_operator_may_have_a_passphrase(
    network: LocalNetwork,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SYNNERGY_PASSPHRASE", "secret words")
    line = words(network, tmp_path / "new", "--peers", PEER, "--operator", "alice")
    assert run(capsys, *line).code == 0
    wallet = json.loads((tmp_path / "new" / "keystore" / "alice.json").read_text())
    assert wallet["sealing"] is not None


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        ((), "no_peers", "--peers is missing"),
        (("--peers", ""), "usage", "--peers"),
        (("--peers", "127.0.0.1:5"), "usage", "NODE_ID@HOST:PORT"),
        (("--peers", f"{'ab' * 20}@h:65536"), "usage", "--peers"),
        (("--peers", PEER, "--p2p", "x"), "usage", "--p2p"),
        (("--peers", PEER, "--p2p", "h:70000"), "usage", "'h:70000' is not HOST:PORT"),
        (("--peers", PEER, "--rpc", "0.0.0.0:26656"), "bad_validator", "cannot both listen"),
        (("--peers", PEER, "--member", "ftp://x"), "usage", "--member"),
        (("--peers", PEER, "--member", ""), "usage", "--member"),
        (("--peers", PEER, "--endpoint", "http://h:65536"), "usage", "--endpoint"),
        (("--peers", PEER, "--moniker", 'a"b'), "bad_validator", "moniker"),
        (("--peers", PEER, "--endpoint", "ftp://x"), "usage", "'ftp://x' is not the URL"),
        (("--peers", PEER, "--operator", "../x"), "bad_wallet_name", "wallet"),
    ],
)
def test_what_cannot_be_is_refused(
    network: LocalNetwork,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: tuple[str, ...],
    code: str,
    said: str,
) -> None:
    error = run(capsys, *words(network, tmp_path / "new", *more)).json["error"]
    assert error["code"] == code and said in error["message"]
    if code != "bad_wallet_name":
        assert not any((tmp_path / "new").glob("*"))


def test_only_networks_are_joined(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], network: LocalNetwork
) -> None:
    begin(Home(tmp_path / "solo"), NewLedger(development=True), lambda _name, _new: "")
    solo = LocalNetwork(Home(tmp_path / "solo"), "", ())
    error = run(capsys, *words(solo, tmp_path / "new", "--peers", PEER)).json["error"]
    assert error["code"] == "other_ledger"
    error = run(capsys, *words(network, tmp_path / "solo", "--peers", PEER)).json["error"]
    assert error["code"] == "other_ledger"
    assert not Layout(tmp_path / "solo").root.exists()


# ---- beginning a network ----------------------------------------------------------------------


def test_the_home_of_a_first_validator(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNNERGY_PASSPHRASE", "secret words")
    url = "https://one.example"
    line = ["--home", tmp_path, "init", "--engine", "cometbft", "--endpoint", url, "--json"]
    fields = run(capsys, *line).json
    genesis = decode_genesis_file((tmp_path / "genesis.json").read_bytes())
    (validator,) = genesis.validators
    identity = read_identity(Layout(tmp_path))
    assert (validator.public_key, validator.node_id) == (identity.public_key, identity.node_id)
    assert validator.operator == fields["wallets"]["operator"] and validator.endpoint == url
    assert validator.power > 0 and genesis.signer == "" and not genesis.local_only
    assert sorted(wallet.address for wallet in genesis.wallets) == sorted(
        fields["wallets"].values()
    )
    assert load_settings(Layout(tmp_path)).peers == ()
    assert not (tmp_path / "node_key.json").exists()


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--engine", "other"), "bad_engine"),
        (("--engine", "cometbft", "--p2p", "x"), "usage"),
        (("--engine", "cometbft", "--endpoint", "x" * 500), "usage"),
    ],
)
def test_a_first_validator_that_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], code: str
) -> None:
    done = run(capsys, "--home", tmp_path, "init", "--dev", *more, "--json")
    assert done.code == 2 and done.json["error"]["code"] == code
    assert not (tmp_path / "genesis.json").exists()
