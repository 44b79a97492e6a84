"""The node's disk: one LMDB environment, one synced write transaction per block (STATE-1..5).

A `Store` is a set of named databases of sorted byte keys. Writing goes through one `write()` batch
at a time, which is all there or not there at all after a crash; reading takes short read
transactions, or one `snapshot()` where several reads must agree.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn, Protocol

import lmdb

#: The named databases: consensus state and its tree, then what each node keeps beside them.
DATABASES: Final = (
    "state",
    "nodes",
    "blocks",
    "transactions",
    "results",
    "writes",
    "receipts",
    "proofs",
    "changes",
    "commits",
    "validator_sets",
    "payloads",
    "facts",
    "ages",
    "erased",
    "artefacts",
    "meta",
    "zeros",
)
FORMAT: Final = b"2"
FORMAT_KEY: Final = b"format"
LOCK_FILE: Final = "node.lock"
MAX_KEY_BYTES: Final = 511
DEFAULT_MAP_BYTES: Final = 1 << 40
#: Pages that one step of overwriting takes at most: 16 MiB where a page has 4 KiB.
OVERWRITTEN_PAGES: Final = 4_096
MARK: Final = b"\x00"
#: Of LMDB's layout: the head of a page, and what a page holds for the key of a zero.
_PAGE_HEAD = 16
_KEY_BYTES = 26
#: Attempts to use up the last free pages one by one.
MOST_TRIES: Final = 32
SMALLEST_MAP_BYTES: Final = 1 << 26
MAX_READERS: Final = 1024
# LMDB answers EIO when a write comes back short, which is how a disk first shows that it is full.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_MAP_REFUSED = (errno.ENOMEM, errno.EFBIG, errno.EINVAL, errno.EOVERFLOW)

_log = logging.getLogger(__name__)


class StoreFull(Exception):
    """The map or the disk is full; nothing of the batch was written, all before it is intact."""


class StoreLocked(Exception):
    """Another node already runs on this home."""


class View(Protocol):
    """Consistent reads of the named databases; what `snapshot()` gives and queries take."""

    def get(self, database: str, key: bytes) -> bytes | None:
        """The value stored under `key`, or None."""
        ...

    def scan(
        self,
        database: str,
        start: bytes,
        stop: bytes | None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> list[tuple[bytes, bytes]]:
        """Items with start <= key < stop in key order; from the end of that range if `reverse`."""
        ...


class Snapshot:
    """A `View` of one moment. For one thread, inside the `with` block that opened it."""

    def __init__(self, transaction: lmdb.Transaction[bytes], handles: dict[str, lmdb._Database]):
        self._transaction = transaction
        self._handles = handles

    def get(self, database: str, key: bytes) -> bytes | None:
        if not 1 <= len(key) <= MAX_KEY_BYTES:
            return None
        return self._transaction.get(key, db=self._handles[database])

    def scan(
        self,
        database: str,
        start: bytes,
        stop: bytes | None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> list[tuple[bytes, bytes]]:
        found: list[tuple[bytes, bytes]] = []
        if limit is not None and limit <= 0:
            return found
        with self._transaction.cursor(self._handles[database]) as cursor:
            if reverse:
                # set_range finds the first key past the range, if there is one.
                if stop is None or not cursor.set_range(stop):
                    present = cursor.last()
                else:
                    present = cursor.prev()
                items = cursor.iterprev() if present else iter(())
            else:
                items = cursor.iternext() if cursor.set_range(start) else iter(())
            for key, value in items:
                if key < start if reverse else stop is not None and key >= stop:
                    break
                found.append((key, value))
                if len(found) == limit:
                    break
        return found


class Batch(Snapshot):
    """The one write transaction of a block; it reads its own writes."""

    def put(self, database: str, key: bytes, value: bytes, *, last: bool = False) -> None:
        """Store `value` under `key` (1 to 511 bytes), replacing what was there.

        `last` says that the key is past all others, which packs pages full.
        """
        if not 1 <= len(key) <= MAX_KEY_BYTES:
            raise ValueError(f"a key has 1 to {MAX_KEY_BYTES} bytes, not {len(key)}")
        self._transaction.put(key, value, append=last, db=self._handles[database])

    def change(self, database: str, changes: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Store values, or (None) remove keys, all at once; fastest in key order."""
        for key, _ in changes:
            if not 1 <= len(key) <= MAX_KEY_BYTES:
                raise ValueError(f"a key has 1 to {MAX_KEY_BYTES} bytes, not {len(key)}")
        kept = [(key, value) for key, value in changes if value is not None]
        with self._transaction.cursor(self._handles[database]) as cursor:
            cursor.putmulti(kept)
        if len(kept) < len(changes):
            for key, value in changes:
                if value is None:
                    self.delete(database, key)

    def delete(self, database: str, key: bytes) -> None:
        """Remove `key`; removing an absent key is allowed."""
        self._transaction.delete(key, db=self._handles[database])

    def clear(self, database: str) -> None:
        """Remove every key of one database."""
        self._transaction.drop(self._handles[database], delete=False)


class Store:
    """An open environment. Threads may share it; a forked child must not use it."""

    def __init__(
        self,
        path: Path,
        environment: lmdb.Environment,
        handles: dict[str, lmdb._Database],
        lock: int | None,
        map_size: int,
    ) -> None:
        self.path = path
        self.map_size = map_size
        self._environment = environment
        self._handles = handles
        self._lock = lock
        self._unusable_pages = 4

    @staticmethod
    def open(path: Path, *, readonly: bool = False, map_size: int = DEFAULT_MAP_BYTES) -> Store:
        """Open the store in folder `path`, creating it unless `readonly`.

        A writer holds the folder's exclusive lock until `close` (STATE-4); read-only opens, from
        other processes, are welcome beside it. `map_size` bytes is the most the store can hold:
        address space, not disk. Where the system refuses that much, it is halved until it fits.

        Raises StoreLocked, StoreFull, FileNotFoundError (readonly, nothing there), ValueError
        (written in a format that this version does not know), lmdb.Error (broken disk).
        """
        if readonly and not (path / "data.mdb").is_file():
            raise FileNotFoundError(f"no store at {path}")
        if not readonly:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = None if readonly else _take_lock(path)
        environment = None
        try:
            environment, map_size = _open_environment(path, readonly, map_size)
            handles = _open_databases(path, environment, readonly)
            return Store(path, environment, handles, lock, map_size)
        except BaseException as error:
            if environment is not None:
                environment.close()
            if lock is not None:
                os.close(lock)
            if isinstance(error, lmdb.Error):
                _raise_clearly(error, path, map_size)
            raise

    @contextmanager
    def write(self) -> Generator[Batch]:
        """One write transaction: synced to disk on leaving the block, dropped on an exception."""
        try:
            # A reader killed while reading would otherwise pin old pages for ever.
            self._environment.reader_check()
            with self._environment.begin(write=True) as transaction:
                yield Batch(transaction, self._handles)
        except lmdb.Error as error:
            _raise_clearly(error, self.path, self.map_size)

    @contextmanager
    def snapshot(self) -> Generator[Snapshot]:
        """A consistent view; keep it short, since pages freed meanwhile cannot be reused."""
        with self._environment.begin() as transaction:
            yield Snapshot(transaction, self._handles)

    def get(self, database: str, key: bytes) -> bytes | None:
        """The committed value stored under `key`, or None."""
        if not 1 <= len(key) <= MAX_KEY_BYTES:
            return None
        with self._environment.begin(self._handles[database]) as transaction:
            return transaction.get(key)

    def scan(
        self,
        database: str,
        start: bytes,
        stop: bytes | None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> list[tuple[bytes, bytes]]:
        """Committed items with start <= key < stop, the first (or last, reversed) `limit`."""
        with self.snapshot() as view:
            return view.scan(database, start, stop, limit, reverse)

    @property
    def page_bytes(self) -> int:
        """Bytes of a page of the file, as the system has it."""
        return self._environment.stat()["psize"]

    def overwrite_free(self, most: int = OVERWRITTEN_PAGES) -> bool:
        """Overwrite with zeros what the file's free pages still hold of deleted values (STATE-6).

        LMDB never writes in place: a deleted value stays in its pages until others need them. One
        step takes all free pages, or `most` of them, fills them with zeros and keeps them until a
        later step finds no more. True once none is left; False where there are more, or where a
        reader still sees what was deleted, and would make the file grow instead.
        """
        with self.write() as batch:
            # Pages become free for use two writes after they were let go.
            batch.put("zeros", MARK, b"")
        if self._someone_reads_the_past():
            return False
        wanted = self._free_pages() - self._unusable_pages
        if wanted > most:
            self._fill(most)
            return False
        # That the file grew, by a page where the guess is good, shows that no free page was left.
        grown = self._fill(max(wanted, 1))
        self._unusable_pages += grown - 1
        tries = 0
        while not grown and tries < MOST_TRIES:
            grown, tries = self._fill(1), tries + 1
        with self.write() as batch:
            batch.clear("zeros")
            batch.put("zeros", MARK, b"")
        return bool(grown)

    def _fill(self, number: int) -> int:
        """Put as many pages of zeros; by how many pages the file grew for it."""
        zeros = bytes(self.page_bytes - _PAGE_HEAD)
        before = self._environment.info()["last_pgno"]
        with self.write() as batch:
            last = batch.scan("zeros", b"", None, 1, reverse=True)[0][0]
            first = int.from_bytes(last, "big") + 1
            for key in range(first, first + number):
                batch.put("zeros", key.to_bytes(8, "big"), zeros, last=True)
        return self._environment.info()["last_pgno"] - before

    def _someone_reads_the_past(self) -> bool:
        """Whether a read transaction, of any process, sees an older state than the last."""
        newest = self._environment.info()["last_txnid"]
        rows = [line.split() for line in self._environment.readers().splitlines()]
        seen = [row[2] for row in rows if len(row) == 3]
        return any(number.isdecimal() and int(number) < newest for number in seen)

    def _free_pages(self) -> int:
        """Pages that hold nothing, those apart that the keys of as many zeros take.

        A few of them are LMDB's own list of free pages, or not yet for use.
        """
        with self._environment.begin() as transaction:
            stats = [transaction.stat(handle) for handle in self._handles.values()]
            last = self._environment.info()["last_pgno"]
        kinds = ("branch_pages", "leaf_pages", "overflow_pages")
        used = sum(stat[kind] for stat in (*stats, self._environment.stat()) for kind in kinds)
        free = max(last - 1 - used, 0)
        return free - free // (self.page_bytes // _KEY_BYTES)

    def close(self) -> None:
        """Release the environment and the lock; closing twice is harmless."""
        self._environment.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _take_lock(path: Path) -> int:
    """The descriptor of the locked lock file; the system unlocks it when the process dies."""
    descriptor = os.open(path / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise StoreLocked(
            f"a node (process {holder or 'unknown'}) already runs on {path}; stop it first"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _open_environment(path: Path, readonly: bool, wanted: int) -> tuple[lmdb.Environment, int]:
    """The environment with the largest map, up to `wanted` bytes, that the system grants."""
    size = wanted
    while True:
        try:
            environment = lmdb.open(
                str(path),
                map_size=size,
                readonly=readonly,
                create=False,
                mode=0o700,
                sync=True,
                metasync=True,
                writemap=False,
                max_dbs=len(DATABASES),
                max_readers=MAX_READERS,
                max_spare_txns=1,
                lib_version=0,
            )
        except lmdb.Error as error:
            refused = isinstance(error, lmdb.MemoryError) or error.code in _MAP_REFUSED
            if not refused or size // 2 < SMALLEST_MAP_BYTES:
                raise
            size //= 2
        else:
            break
    if size < wanted:
        _log.warning("store %s: a map of %d bytes was refused, using %d", path, wanted, size)
    return environment, size


def _open_databases(
    path: Path, environment: lmdb.Environment, readonly: bool
) -> dict[str, lmdb._Database]:
    """Handles of all databases; a fresh store is created whole, in one transaction (STATE-5)."""
    if readonly:
        try:
            handles = {
                name: environment.open_db(name.encode(), create=False) for name in DATABASES
            }
        except lmdb.NotFoundError as error:
            raise FileNotFoundError(f"no complete store at {path}: {error}") from error
        with environment.begin() as transaction:
            _check_format(path, transaction.get(FORMAT_KEY, db=handles["meta"]))
        return handles
    with environment.begin(write=True) as transaction:
        handles = {name: environment.open_db(name.encode(), transaction) for name in DATABASES}
        found = transaction.get(FORMAT_KEY, db=handles["meta"])
        if found is None:
            transaction.put(FORMAT_KEY, FORMAT, db=handles["meta"])
        else:
            _check_format(path, found)
    # The files' names must be as durable as their contents.
    for folder in (path, path.parent):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return handles


def _check_format(path: Path, found: bytes | None) -> None:
    if found != FORMAT:
        raise ValueError(f"{path} has store format {found!r}, this version knows {FORMAT!r}")


def _raise_clearly(error: lmdb.Error, path: Path, map_size: int) -> NoReturn:
    """Turn "full" errors into StoreFull and a second open in one process into StoreLocked."""
    if isinstance(error, lmdb.MapFullError):
        raise StoreFull(
            f"the store {path} has reached its map of {map_size} bytes; start the node again with"
            " a larger one (synnergy start --map-size BYTES)"
        ) from error
    if isinstance(error, lmdb.TxnFullError):
        raise StoreFull(f"one batch changes too many pages of the store {path}") from error
    if isinstance(error, lmdb.DiskError) or error.code in _FULL:
        size = _size_of(path)
        raise StoreFull(
            f"the disk of the store {path} is full or failing ({size} bytes so far): {error};"
            " make room, then start the node again"
        ) from error
    if "already open in this process" in str(error):
        raise StoreLocked(f"{path} is already open in this process; use its snapshot()") from error
    raise error


def _size_of(path: Path) -> int:
    """Bytes that the data file occupies on disk."""
    try:
        return (path / "data.mdb").stat().st_blocks * 512
    except OSError:
        return 0
