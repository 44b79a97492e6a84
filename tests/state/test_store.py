"""The store: ordered reads, whole batches, clear failures, survival (STATE-1..5)."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from crash_writer import rows_of
from hypothesis import given
from hypothesis import strategies as st

from synnergy.state.merkle import Tree
from synnergy.state.store import (
    DATABASES,
    FORMAT_KEY,
    LOCK_FILE,
    MAX_KEY_BYTES,
    Store,
    StoreFull,
    StoreLocked,
)

HERE = Path(__file__).parent


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "store")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = Store.open(tmp_path_factory.mktemp("shared"))
    yield opened
    opened.close()


def python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `code` in another process; the store refuses to be opened twice in one."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def put(store: Store, database: str, key: bytes, value: bytes) -> None:
    with store.write() as batch:
        batch.put(database, key, value)


keys = st.binary(min_size=1, max_size=2) | st.just(b"\xff" * MAX_KEY_BYTES)
bounds = st.binary(max_size=2) | st.just(b"\xff" * MAX_KEY_BYTES)


@given(
    st.dictionaries(keys, st.binary(max_size=2), max_size=20),
    bounds,
    st.none() | keys,
    st.none() | st.integers(0, 5),
    st.booleans(),
)
def test_scan_is_a_sorted_range(
    shared_store: Store,
    items: dict[bytes, bytes],
    start: bytes,
    stop: bytes | None,
    limit: int | None,
    reverse: bool,
) -> None:
    inside = [(k, v) for k, v in items.items() if k >= start and (stop is None or k < stop)]
    expected = sorted(inside, reverse=reverse)[:limit]
    with shared_store.write() as batch:
        batch.clear("blocks")
        for key, value in items.items():
            batch.put("blocks", key, value)
        assert batch.scan("blocks", start, stop, limit, reverse) == expected
    assert shared_store.scan("blocks", start, stop, limit, reverse) == expected
    for key in [*items, b"absent"]:
        assert shared_store.get("blocks", key) == items.get(key)


def test_an_exception_drops_the_whole_batch(store: Store) -> None:
    put(store, "state", b"kept", b"1")
    with pytest.raises(KeyError), store.write() as batch:
        batch.put("state", b"lost", b"1")
        batch.delete("state", b"kept")
        batch.delete("state", b"never there")
        assert batch.get("state", b"lost") == b"1"
        assert batch.get("state", b"kept") is None
        batch.put("no such database", b"k", b"")
    assert store.scan("state", b"", None) == [(b"kept", b"1")]


@pytest.mark.parametrize("length", [0, MAX_KEY_BYTES + 1])
def test_keys_that_do_not_fit_are_refused(store: Store, length: int) -> None:
    with pytest.raises(ValueError, match="key"), store.write() as batch:
        batch.put("state", bytes(length), b"")
    assert store.get("state", bytes(length)) is None


def test_databases_are_separate(store: Store) -> None:
    with store.write() as batch:
        for name in DATABASES:
            batch.put(name, b"key", name.encode())
    assert [store.get(name, b"key") for name in DATABASES] == [n.encode() for n in DATABASES]


def test_a_snapshot_stays_as_it_was(store: Store) -> None:
    put(store, "state", b"a", b"old")
    with store.snapshot() as view:
        writer = threading.Thread(target=put, args=(store, "state", b"a", b"new"))
        writer.start()
        writer.join()
        assert store.get("state", b"a") == b"new"
        assert view.get("state", b"a") == b"old"
        assert view.scan("state", b"", None) == [(b"a", b"old")]


def test_large_values_and_reopening(tmp_path: Path) -> None:
    large = random.Random(1).randbytes(3_000_000)
    for attempt in range(3):
        store = Store.open(tmp_path / "deep" / "store")
        assert store.get("artefacts", b"large") == (large if attempt else None)
        put(store, "artefacts", b"large", large)
        store.close()
        store.close()
    assert (tmp_path / "deep" / "store").stat().st_mode & 0o777 == 0o700


def test_one_node_at_a_time(store: Store) -> None:  # STATE-4
    with pytest.raises(StoreLocked, match=f"process {os.getpid()}.*{store.path}"):
        Store.open(store.path)
    code = (
        "import sys; from pathlib import Path; from synnergy.state.store import *\n"
        "try: Store.open(Path(sys.argv[1]))\n"
        "except StoreLocked as error: print(error)"
    )
    assert f"process {os.getpid()}" in python(code, store.path).stdout
    store.close()
    assert python(code, store.path).stdout == ""


READ = """
import sys; from pathlib import Path; from synnergy.state.store import *
store = Store.open(Path(sys.argv[1]), readonly=True)
print(store.get("state", b"k"))
try:
    with store.write() as batch: batch.put("state", b"k", b"2")
except Exception as error: print(type(error).__name__)
"""


def test_readers_beside_a_running_node(store: Store) -> None:
    put(store, "state", b"k", b"1")
    assert python(READ, store.path).stdout.split() == ["b'1'", "ReadonlyError"]
    put(store, "state", b"k", b"3")
    assert python(READ, store.path).stdout.split()[0] == "b'3'"
    assert store.get("state", b"k") == b"3"


def test_readonly_in_the_same_process_is_told_to_use_a_snapshot(store: Store) -> None:
    with pytest.raises(StoreLocked, match="snapshot"):
        Store.open(store.path, readonly=True)


def test_readonly_creates_nothing(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(FileNotFoundError, match="no store"):
            Store.open(path, readonly=True)
    assert list(tmp_path.iterdir()) == []


def test_a_future_format_is_refused(store: Store) -> None:  # STATE-5
    put(store, "meta", FORMAT_KEY, b"3")
    store.close()
    for _ in range(2):
        with pytest.raises(ValueError, match="format b'3'"):
            Store.open(store.path)


def test_a_full_map_keeps_everything_before(tmp_path: Path) -> None:  # STATE-3
    size = 1 << 20
    store = Store.open(tmp_path, map_size=size)
    written = 0
    with pytest.raises(StoreFull, match=rf"{tmp_path}.*{size} bytes"):
        while True:
            with store.write() as batch:
                for row in range(10):
                    batch.put("state", b"%d/%d" % (written, row), bytes(2_000))
            written += 1
    assert 0 < written < 50
    assert len(store.scan("state", b"", None)) == written * 10
    store.close()
    store = Store.open(tmp_path, map_size=size * 4)
    assert len(store.scan("state", b"", None)) == written * 10
    put(store, "state", b"room", bytes(100_000))
    store.close()


FILL = """
import resource, sys; from pathlib import Path; from synnergy.state.store import *
store = Store.open(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
written = 0
try:
    while True:
        with store.write() as batch:
            batch.put("state", b"%08d" % written, bytes(20_000))
        written += 1
except StoreFull as error: print(written, error)
"""


def test_a_full_disk_keeps_everything_before(tmp_path: Path) -> None:  # STATE-3
    """A limit on the file's size stands for the full disk: the write comes back short."""
    done = python(FILL, tmp_path)
    written, message = done.stdout.split(maxsplit=1)
    assert int(written) > 10
    assert "full or failing" in message and str(tmp_path) in message
    store = Store.open(tmp_path)
    found = store.scan("state", b"", None)
    assert found == [(b"%08d" % number, bytes(20_000)) for number in range(int(written))]
    put(store, "state", b"more", bytes(20_000))
    store.close()


SMALL = """
import resource, sys; from pathlib import Path; from synnergy.state.store import *
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
store = Store.open(Path(sys.argv[1]))
with store.write() as batch: batch.put("state", b"k", b"v")
print(store.map_size)
"""


def test_a_refused_map_is_halved_and_said_so(tmp_path: Path) -> None:
    done = python(SMALL, tmp_path)
    assert 1 << 30 <= int(done.stdout) < 8 << 30
    assert f"using {done.stdout.strip()}" in done.stderr
    store = Store.open(tmp_path)
    assert store.get("state", b"k") == b"v"
    assert store.map_size == 1 << 40
    assert (tmp_path / "data.mdb").stat().st_blocks * 512 < 1 << 20
    store.close()


def test_killed_at_any_moment_it_holds_whole_batches(tmp_path: Path) -> None:  # STATE-2
    """Twenty kills of one growing store: whole batches in order, no acknowledged one lost."""
    generator = random.Random(20)
    path = tmp_path / "store"
    batches = 0
    expected: dict[bytes, bytes] = {}
    tree = Tree({}.get)
    for _ in range(20):
        writer = subprocess.Popen(
            [sys.executable, str(HERE / "crash_writer.py"), str(path)],
            stdout=subprocess.PIPE,
        )
        assert writer.stdout is not None
        if generator.random() < 0.8:
            writer.stdout.readline()
        time.sleep(generator.random() * 0.06)
        writer.kill()
        acknowledged = [line for line in writer.stdout.read().split(b"\n")[:-1] if line]
        writer.wait()
        writer.stdout.close()
        store = Store.open(path)
        found = int(store.get("meta", b"batches") or b"0")
        assert found >= max(batches, int(acknowledged[-1]) if acknowledged else 0)
        for number in range(batches, found):
            expected.update(rows_of(number))
            tree.update(rows_of(number))
        batches = found
        assert store.scan("state", b"", None) == sorted(expected.items())
        assert Tree(partial(store.get, "nodes")).root == tree.root
        store.close()
    assert batches > 20


def test_the_lock_file_outlives_a_killed_holder(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).write_text("12345\n")
    store = Store.open(tmp_path)
    assert (tmp_path / LOCK_FILE).read_text() == f"{os.getpid()}\n"
    store.close()
