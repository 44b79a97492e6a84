from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from synnergy.chain.application import Application
from synnergy.chain.genesis import chain_id_of, encode_genesis_file
from synnergy.client.failures import ClientError, WrongUse
from synnergy.client.genesis import SUPPLY, NewLedger, begin, load_node_key
from synnergy.client.home import Home, load_genesis, read_file, resolve_home, write_file
from synnergy.client.keystore import create_wallet, find_wallet
from synnergy.state.store import Store


def never(_wallet: str, _new: bool) -> str:
    raise AssertionError("no passphrase is needed here")


def test_the_option_wins_over_the_environment(tmp_path: Path) -> None:  # CLIENT-1
    environment = {"SYNNERGY_HOME": str(tmp_path / "outside")}
    assert resolve_home(str(tmp_path / "named"), environment).root == tmp_path / "named"
    assert resolve_home(None, environment).root == tmp_path / "outside"
    assert resolve_home(None, {}).root == Path.home() / ".synnergy"
    assert resolve_home("relative", {}).root == Path(os.getcwd()) / "relative"


def test_a_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "file"
    write_file(path, b"first")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(ClientError) as taken:
        write_file(path, b"second", overwrite=False)
    assert taken.value.code == "already_exists"

    def broken_disk(_descriptor: int) -> None:
        raise OSError(5, "the disk is broken")

    monkeypatch.setattr(os, "fsync", broken_disk)
    with pytest.raises(ClientError):
        write_file(path, b"third")
    assert path.read_bytes() == b"first"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClientError) as missing:
        read_file(tmp_path / "missing")
    assert "missing" in missing.value.message


def test_a_new_ledger_starts(tmp_path: Path) -> None:  # CLIENT-5
    home = Home(tmp_path / "home")
    started = begin(home, NewLedger(development=True), never)
    genesis = load_genesis(home.genesis)
    assert chain_id_of(genesis) == started.chain_id
    assert sum(wallet.balance for wallet in genesis.wallets) == SUPPLY == 9 * 10**15
    assert genesis.local_only and genesis.minimum_gas_price == 1
    assert genesis.signer == load_node_key(home).public_key.hex()
    assert stat.S_IMODE(home.node_key.stat().st_mode) == 0o600
    roles = {w.address: w.roles for w in genesis.wallets}
    assert roles[started.wallets["publisher"].address] == ("publisher", "trainer")
    store = Store.open(home.data)
    try:
        assert Application(store, genesis).height == 0
    finally:
        store.close()


def test_a_second_init_is_refused(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    begin(home, NewLedger(development=True), never)
    before = home.genesis.read_bytes()
    with pytest.raises(ClientError) as again:
        begin(home, NewLedger(development=True), never)
    assert again.value.code == "already_initialised"
    assert home.genesis.read_bytes() == before


def test_wallets_that_are_there_are_kept(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    operator = create_wallet(home.keystore, "operator", None)
    started = begin(home, NewLedger(development=True), never)
    assert started.wallets["operator"] == operator
    assert started.genesis.fee_account == operator.address


def test_regulators_and_threshold(tmp_path: Path) -> None:
    other = create_wallet(tmp_path / "elsewhere", "other", None).address
    home = Home(tmp_path / "home")
    wanted = NewLedger(development=True, regulators=(other,), threshold=2)
    genesis = begin(home, wanted, never).genesis
    assert other in genesis.regulators and genesis.threshold == 2
    assert list(genesis.regulators) == sorted(genesis.regulators)


@pytest.mark.parametrize(
    "wanted",
    [
        NewLedger(development=True, threshold=2),
        NewLedger(development=True, threshold=0),
        NewLedger(development=True, name="Capital"),
        NewLedger(development=True, name="x" * 18),
        NewLedger(development=True, jurisdiction="gb"),
        NewLedger(development=True, regulators=("nobody",)),
    ],
)
def test_what_cannot_be_a_ledger_is_refused_before_anything_is_written(
    tmp_path: Path, wanted: NewLedger
) -> None:
    home = Home(tmp_path / "home")
    with pytest.raises(WrongUse):
        begin(home, wanted, never)
    assert not home.root.exists()


def test_the_own_regulator_is_not_named_twice(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    own = create_wallet(home.keystore, "regulator", None).address
    with pytest.raises(WrongUse):
        begin(home, NewLedger(development=True, regulators=(own,)), never)
    assert find_wallet(home.keystore, "regulator") is not None


def test_a_forged_genesis_is_noticed(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    started = begin(home, NewLedger(development=True), never)
    forged = encode_genesis_file(started.genesis).replace(b"9" * 3, b"8" * 3)
    forged = forged.replace(b'"threshold": 1', b'"threshold": 2')
    home.genesis.write_bytes(forged)
    with pytest.raises(ClientError) as bad:
        load_genesis(home.genesis)
    assert bad.value.code == "bad_genesis"
