from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from synnergy.client import keystore as wallets
from synnergy.client.failures import ClientError, WrongUse
from synnergy.client.passphrase import passphrases
from synnergy.identity.address import is_address


def says(passphrase: str):
    return lambda _wallet, _new: passphrase


@pytest.fixture(autouse=True)
def cheap_derivation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wallets.argon2id, "OPSLIMIT_INTERACTIVE", wallets.argon2id.OPSLIMIT_MIN)
    monkeypatch.setattr(wallets.argon2id, "MEMLIMIT_INTERACTIVE", wallets.argon2id.MEMLIMIT_MIN)


def test_a_sealed_wallet_opens_with_its_passphrase_alone(keystore: Path) -> None:  # CLIENT-2
    created = wallets.create_wallet(keystore, "alice", says("correct horse"))
    assert is_address(created.address) and created.sealed
    keys = wallets.unlock(keystore, "alice", says("correct horse"))
    assert (keys.address, keys.public_key) == (created.address, created.public_key)
    assert keys.seed.hex() not in (keystore / "alice.json").read_text()
    with pytest.raises(ClientError) as wrong:
        wallets.unlock(keystore, "alice", says("correct house"))
    assert wrong.value.code == "wrong_passphrase"


def test_files_and_folders_are_private(keystore: Path) -> None:  # CLIENT-1
    wallets.create_wallet(keystore, "alice", says("x"))
    assert stat.S_IMODE((keystore / "alice.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(keystore.stat().st_mode) == 0o700
    assert [path.name for path in keystore.iterdir()] == ["alice.json"]


def test_a_wallet_is_never_overwritten(keystore: Path) -> None:
    wallets.create_wallet(keystore, "alice", says("x"))
    before = (keystore / "alice.json").read_bytes()
    with pytest.raises(ClientError) as taken:
        wallets.create_wallet(keystore, "alice", says("x"))
    assert taken.value.code == "wallet_exists"
    assert (keystore / "alice.json").read_bytes() == before


def test_a_development_wallet_says_so_loudly(keystore: Path) -> None:
    created = wallets.create_wallet(keystore, "dev", None)
    assert not created.sealed
    assert "NOT ENCRYPTED" in json.loads((keystore / "dev.json").read_text())["warning"]
    assert wallets.unlock(keystore, "dev", says("not asked")).address == created.address


@pytest.mark.parametrize(
    "name",
    ["", "A", "a b", "../a", "a/b", ".hidden", "x" * 65, "ä", "a\n", "syn1" + "q" * 38 + "/"],
)
def test_names_are_plain(keystore: Path, name: str) -> None:
    with pytest.raises(WrongUse):
        wallets.create_wallet(keystore, name, says("x"))
    assert not keystore.exists()


def test_an_address_is_no_name(keystore: Path) -> None:
    address = wallets.create_wallet(keystore, "alice", None).address
    with pytest.raises(WrongUse):
        wallets.create_wallet(keystore, address, None)


@pytest.mark.parametrize(
    "change",
    [
        {"public_key": "00" * 32},
        {"address": "syn1" + "q" * 38},
        {"name": "bob"},
        {"secret": "00" * 72},
        {"secret": ""},
        {"format": 2},
        {"extra": 1},
        {"sealing": {"algorithm": "none"}},
    ],
)
def test_a_damaged_file_is_refused(keystore: Path, change: dict[str, object]) -> None:
    wallets.create_wallet(keystore, "alice", says("x"))
    path = keystore / "alice.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ClientError):
        wallets.unlock(keystore, "alice", says("x"))


def test_a_file_cannot_demand_unbounded_work(keystore: Path) -> None:
    wallets.create_wallet(keystore, "alice", says("x"))
    path = keystore / "alice.json"
    file = json.loads(path.read_text())
    file["sealing"]["memory"] = 1 << 40
    path.write_text(json.dumps(file))
    with pytest.raises(ClientError) as bad:
        wallets.unlock(keystore, "alice", says("x"))
    assert bad.value.code == "bad_wallet"


def test_every_wallet_has_its_own_salt_and_nonce(keystore: Path) -> None:
    seed = bytes(32)
    for name in ("a", "b"):
        wallets.create_wallet(keystore, name, says("same"), seed)
    first, second = (json.loads((keystore / f"{n}.json").read_text()) for n in ("a", "b"))
    assert first["secret"] != second["secret"]
    assert first["sealing"]["salt"] != second["sealing"]["salt"]


def test_who_is_an_address_or_a_name(keystore: Path) -> None:
    alice = wallets.create_wallet(keystore, "alice", None).address
    assert wallets.resolve_address(keystore, "alice") == alice
    assert wallets.resolve_address(keystore, alice) == alice
    with pytest.raises(ClientError) as unknown:
        wallets.resolve_address(keystore, "bob")
    assert unknown.value.code == "unknown_wallet" and "alice" in unknown.value.message
    mistyped = alice[:-1] + ("q" if alice[-1] != "q" else "p")
    with pytest.raises(WrongUse):
        wallets.resolve_address(keystore, mistyped)


def test_passphrases_come_from_the_file_before_the_environment(
    tmp_path: Path,
) -> None:  # CLIENT-3
    file = tmp_path / "passphrase"
    file.write_text("from the file\n")
    environment = {"SYNNERGY_PASSPHRASE": "from outside"}
    assert passphrases(file, environment)("alice", False) == "from the file"
    assert passphrases(None, environment)("alice", True) == "from outside"


def test_no_passphrase_is_ever_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n")
    with pytest.raises(ClientError):
        passphrases(empty, {})("alice", False)
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: SIM115
    with pytest.raises(ClientError) as nowhere:
        passphrases(None, {})("alice", False)
    assert nowhere.value.code == "no_passphrase"
    assert "--passphrase-file" in nowhere.value.message
