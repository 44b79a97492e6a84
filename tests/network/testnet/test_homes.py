"""The homes of a network: made once, used again, never mixed up (NET-60)."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from synnergy.chain.genesis import decode_genesis_file
from synnergy.client.failures import ClientError, WrongUse
from synnergy.client.genesis import NewLedger, begin
from synnergy.client.home import Home
from synnergy.client.keystore import create_wallet, find_wallet, list_wallets, unlock
from synnergy.client.network import PORTS, LocalNetwork, free_ports, open_network
from synnergy.engines.cometbft.files import Layout, read_identity, write_whole
from tests.cli.support import run

WANTED = NewLedger("testnet", development=True)


def ask(name: str, confirm: bool) -> str:
    raise AssertionError(f"nobody is asked for a passphrase: {name}")


def make(root: Path, count: int = 4) -> LocalNetwork:
    return open_network(Home(root), count, WANTED)


def test_a_networks_homes(tmp_path: Path) -> None:
    network = make(tmp_path)
    genesis = decode_genesis_file((tmp_path / "genesis.json").read_bytes())
    assert genesis.local_only and genesis.signer == "" and len(genesis.validators) == 4
    assert {wallet.name for wallet in list_wallets(tmp_path / "keystore")} == {
        "operator",
        "regulator",
    }
    operators = set()
    for member, validator in zip(network.members, genesis.validators, strict=True):
        layout = Layout(member.home)
        identity = read_identity(layout)
        assert (identity.public_key, identity.node_id) == (
            validator.public_key,
            validator.node_id,
        )
        assert layout.genesis.read_bytes() == (tmp_path / "genesis.json").read_bytes()
        assert unlock(member.home / "keystore", "operator", ask).address == validator.operator
        assert member.api == validator.endpoint and validator.power == 10
        operators.add(validator.operator)
    assert len(operators) == 4
    assert operators <= {wallet.address for wallet in genesis.wallets}


def test_everyone_is_everybody_elses_peer(tmp_path: Path) -> None:
    members = make(tmp_path).members
    listening = {
        f"{read_identity(Layout(member.home)).node_id}@{member.settings.p2p}" for member in members
    }
    for member in members:
        others = set(member.settings.peers)
        assert len(others) == 3 and others < listening


def test_no_two_listen_on_one_port(tmp_path: Path) -> None:
    addresses = [
        address
        for member in make(tmp_path, 16).members
        for address in (member.listen, member.settings.p2p, member.settings.rpc)
    ]
    assert len(set(addresses)) == 48
    assert all(int(address.rpartition(":")[2]) in PORTS for address in addresses)


def test_it_is_used_again_as_it_is(tmp_path: Path) -> None:
    first = make(tmp_path)
    assert make(tmp_path) == first


def test_homes_are_their_owners_alone(tmp_path: Path) -> None:
    for member in make(tmp_path, 1).members:
        assert stat.S_IMODE(member.home.stat().st_mode) == 0o700


@pytest.mark.parametrize("interrupted", ["before the homes", "within the homes", "at the end"])
def test_an_interrupted_beginning_is_finished(tmp_path: Path, interrupted: str) -> None:
    first = make(tmp_path)
    wallets = list_wallets(tmp_path / "keystore")
    (tmp_path / "genesis.json").unlink()
    if interrupted != "at the end":
        shutil.rmtree(tmp_path / "validators")
    if interrupted == "within the homes":
        (tmp_path / "validators.unfinished" / "0" / "cometbft").mkdir(parents=True)
    network = make(tmp_path)
    assert list_wallets(tmp_path / "keystore") == wallets
    assert (network == first) == (interrupted == "at the end")
    assert make(tmp_path) == network
    assert not (tmp_path / "validators.unfinished").exists()


def test_another_number_of_validators_is_refused(tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(ClientError, match="network of 4 validators, not 5") as refused:
        make(tmp_path, 5)
    assert refused.value.code == "other_network"


def test_a_ledger_of_one_node_is_left_alone(tmp_path: Path) -> None:
    begin(Home(tmp_path), NewLedger(development=True), ask)
    with pytest.raises(ClientError, match="one node") as refused:
        make(tmp_path)
    assert refused.value.code == "other_ledger"


def test_keys_of_another_validator_are_refused(tmp_path: Path) -> None:
    members = make(tmp_path, 2).members
    one, other = (Layout(member.home).node_key for member in members)
    write_whole(one, other.read_bytes())
    with pytest.raises(ClientError, match="not those that the genesis names"):
        make(tmp_path, 2)


def test_a_missing_home_is_told(tmp_path: Path) -> None:
    shutil.rmtree(make(tmp_path, 2).members[1].home)
    with pytest.raises(ClientError) as refused:
        make(tmp_path, 2)
    assert refused.value.code == "bad_validator" and "validators/1" in str(refused.value)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ClientError, match=r"thesis\.txt") as refused:
        make(tmp_path)
    assert refused.value.code == "other_folder"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_of_wallets_is_as_good_as_empty(tmp_path: Path) -> None:
    wallet = create_wallet(Home(tmp_path).keystore, "operator", None)
    (tmp_path / "openings").mkdir()
    make(tmp_path)
    assert find_wallet(Home(tmp_path).keystore, "operator") == wallet


@pytest.mark.parametrize("words", [("--name", "A b"), ("--jurisdiction", "gb")])
def test_the_command_leaves_nothing_of_a_network_that_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, str]
) -> None:
    assert run(capsys, "--home", tmp_path / "net", "testnet", *words).code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wanted", [NewLedger("A b"), NewLedger(jurisdiction="gb")])
def test_a_chain_that_cannot_be_is_refused_before_anything_is_made(
    tmp_path: Path, wanted: NewLedger
) -> None:
    with pytest.raises(WrongUse):
        open_network(Home(tmp_path), 1, wanted)
    assert list(tmp_path.iterdir()) == []


def test_too_many_ports_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synnergy.client.network.PORTS", range(20_000, 20_002))
    with pytest.raises(ClientError, match="no 3 free ports"):
        free_ports(3)
