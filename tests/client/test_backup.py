"""CLIENT-18, CLIENT-20: a home as one file, and nothing but that file's home again."""

from __future__ import annotations

import io
import os
import resource
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from synnergy.chain import dump
from synnergy.chain.replay import replay
from synnergy.client import backup
from synnergy.client.failures import ClientError
from synnergy.client.home import Home
from tests.client.backups import content_of, files_of, read, restored
from tests.client.homes import RECEIPT, make_home
from tests.ledger.harness import Ledger, genesis


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("backup") / "home")


@pytest.fixture(scope="module")
def saved(home: Home) -> bytes:
    out = home.root.parent / "saved.tar"
    backup.back_up(home, out)
    return out.read_bytes()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


# ---- and back ----------------------------------------------------------------------------------


def test_a_home_comes_back_as_it_was(home: Home, saved: bytes, place: Path) -> None:
    made = restored(saved, place)
    new = Home(place / "new")
    assert files_of(new) == files_of(home)
    assert f"openings/{RECEIPT}.json" in files_of(new) and "node_key.json" in files_of(new)
    assert content_of(new.data) == content_of(home.data)
    ledger = Ledger(new.data)
    assert (made.height, made.app_hash) == (3, ledger.application.app_hash.hex())
    ledger.block()
    ledger.close()
    found = replay(new.data, genesis())
    assert (found.problem, found.height) == (None, 4)


def test_a_backup_of_what_came_back_is_the_same(home: Home, saved: bytes, place: Path) -> None:
    """One moment has one backup: nothing of when and where is in it."""
    restored(saved, place)
    made = backup.back_up(Home(place / "new"), place / "again.tar")
    assert (place / "again.tar").read_bytes() == saved
    assert (made.bytes, made.left_out) == (len(saved), ())


def test_secrets_stay_their_owners(saved: bytes, place: Path) -> None:
    old = os.umask(0)
    try:
        restored(saved, place)
        backup.back_up(Home(place / "new"), place / "again.tar")
    finally:
        os.umask(old)
    private = [place / "again.tar", place / "new", *(place / "new").rglob("*")]
    for path in private:
        if path.name not in ("genesis.json", "data", "data.mdb", "lock.mdb", "node.lock"):
            assert path.stat().st_mode & 0o077 == 0, path


def test_any_tar_reads_it(saved: bytes) -> None:
    with tarfile.open(fileobj=io.BytesIO(saved)) as opened:
        names = opened.getnames()
    assert names[0] == "backup.json" and names[-1] == "manifest.json"
    assert "keystore/a.b_c-d.json" in names and "store/000000" in names


def test_small_chunks(home: Home, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However a store is cut, the same comes back."""
    monkeypatch.setattr(dump, "CHUNK_TARGET", 300)
    monkeypatch.setattr(dump, "ITEMS_AT_A_TIME", 3)
    backup.back_up(home, place / "cut.tar")
    restored((place / "cut.tar").read_bytes(), place)
    assert content_of(place / "new" / "data") == content_of(home.data)
    assert sum(name.startswith("store/") for name, _ in read(place / "cut.tar")) > 20


def test_what_is_no_part_of_a_home_is_named(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", blocks=0)
    (home.root / "node.log").write_text("x")
    (home.root / "manifest.json").write_text("{}")
    (home.keystore / ".half.json").write_text("{}")
    (home.openings / "notes").mkdir()
    (home.keystore / "folder.json").mkdir()
    made = backup.back_up(home, tmp_path / "b.tar")
    assert set(made.left_out) == {
        "node.log", "manifest.json", "keystore/.half.json", "openings/notes",
        "keystore/folder.json",
    }  # fmt: skip
    assert (made.height, backup.restore(tmp_path / "b.tar", Home(tmp_path / "new")).height) == (
        0,
        0,
    )


# ---- whole or not at all -----------------------------------------------------------------------


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes: a full disk, for this process alone."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, 100, 30_000])
def test_a_full_disk_leaves_no_half_backup(home: Home, place: Path, size: int) -> None:
    with file_limit(size), pytest.raises(ClientError) as caught:
        backup.back_up(home, place / "b.tar")
    assert caught.value.code == "unwritable_file" and os.listdir(place) == []


@pytest.mark.parametrize("size", [0, 10_000, 66_000])
def test_a_full_disk_leaves_no_half_home(saved: bytes, place: Path, size: int) -> None:
    (place / "given.tar").write_bytes(saved)
    with file_limit(size), pytest.raises(ClientError) as caught:
        backup.restore(place / "given.tar", Home(place / "new"))
    assert caught.value.code in ("restore_failed", "unwritable_store")
    assert os.listdir(place) == ["given.tar"]


def test_nothing_is_overwritten(home: Home, place: Path) -> None:
    (place / "b.tar").write_text("precious")
    (place / "link.tar").symlink_to(place / "nowhere")
    for name in ("b.tar", "link.tar"):
        with pytest.raises(ClientError) as caught:
            backup.back_up(home, place / name)
        assert caught.value.code == "already_exists"
    assert (place / "b.tar").read_text() == "precious" and not (place / "nowhere").exists()


def test_a_home_is_only_made_where_nothing_is(saved: bytes, place: Path) -> None:
    (place / "given.tar").write_bytes(saved)
    (place / "full").mkdir()
    (place / "full" / "precious").write_text("x")
    (place / "file").write_text("x")
    (place / "link").symlink_to(place / "full")
    for name in ("full", "file", "link"):
        with pytest.raises(ClientError) as caught:
            backup.restore(place / "given.tar", Home(place / name))
        assert caught.value.code == "already_exists"
    assert sorted(os.listdir(place)) == ["file", "full", "given.tar", "link"]
    assert os.listdir(place / "full") == ["precious"]
    (place / "empty").mkdir()
    assert backup.restore(place / "given.tar", Home(place / "empty")).height == 3
    deep = Home(place / "some" / "where")
    assert backup.restore(place / "given.tar", deep).height == 3


def test_homes_that_cannot_be_backed_up(tmp_path: Path) -> None:
    def code(home: Home) -> str:
        with pytest.raises(ClientError) as caught:
            backup.back_up(home, tmp_path / "b.tar")
        assert not (tmp_path / "b.tar").exists()
        return caught.value.code

    assert code(Home(tmp_path / "nowhere")) == "no_genesis"
    home = make_home(tmp_path / "home", blocks=1)
    other = make_home(tmp_path / "other", blocks=0, name="other")
    home.data.rename(tmp_path / "kept")
    assert code(home) == "no_data"
    other.data.rename(home.data)
    assert code(home) == "backup_failed"
    (home.data / "data.mdb").write_bytes(b"nothing of a store" * 1_000)
    assert code(home) == "bad_store"
