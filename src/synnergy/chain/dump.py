"""Everything a store holds as a stream of chunks: out of one node, into an empty one (CHAIN-20).

Unlike a snapshot, a dump is a node's own history: blocks, results, receipts, payloads. The tree's
nodes are not in it, since the state makes them again, and in doing so proves itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from synnergy.chain.application import Application, BadNode
from synnergy.chain.archive import load_block
from synnergy.chain.block import StoredBlock, is_signed
from synnergy.chain.genesis import BadGenesis, Genesis, chain_id_of, encode_genesis_file
from synnergy.gas.schedule import BrokenSchedule
from synnergy.rejected import Rejected
from synnergy.state.export import import_state
from synnergy.state.journal import Item
from synnergy.state.store import DATABASES, FORMAT_KEY, MAX_KEY_BYTES, Store, View
from synnergy.wire.codec import Struct

#: In the order of a dump; the state first, since the rest is believed because of it.
DUMPED = ("state", *(name for name in DATABASES if name not in ("state", "nodes")))
CHUNK_TARGET = 8 * 1024 * 1024
#: No chunk is longer: the target, and the one value that went beyond it.
MAX_CHUNK_BYTES = 64 * 1024 * 1024
ITEMS_AT_A_TIME = 16


class Chunk(Struct, frozen=True):
    """Items of one database in ascending order of keys."""

    database: str
    items: tuple[tuple[bytes, bytes], ...]


class BadDump(Exception):
    """The chunks are not a store's; the message says what is wrong."""


def head_of(view: View) -> StoredBlock:
    """The last block of a store. Raises BadDump where it has none."""
    height = view.get("meta", b"height")
    block = load_block(view.get, int.from_bytes(height, "big")) if height is not None else None
    if block is None:
        raise BadDump("the store has no last block")
    return block


def stored_height(path: Path) -> int:
    """The height of the ledger in a store's folder, 0 where there is none; a node may run on it.

    Raises OSError, ValueError or lmdb.Error where the store cannot be read.
    """
    try:
        store = Store.open(path, readonly=True)
    except FileNotFoundError:
        return 0
    try:
        with store.snapshot() as view:
            return int.from_bytes(view.get("meta", b"height") or b"", "big")
    finally:
        store.close()


def dump(view: View) -> Iterator[Chunk]:
    """Every item of one moment, but for the tree's nodes and the store's own format."""
    for database in DUMPED:
        pending: list[Item] = []
        size = 0
        for key, value in _items(view, database):
            if database == "meta" and key == FORMAT_KEY:
                continue
            if pending and size + len(key) + len(value) > CHUNK_TARGET:
                yield Chunk(database, tuple(pending))
                pending, size = [], 0
            pending.append((key, value))
            size += len(key) + len(value)
        if pending:
            yield Chunk(database, tuple(pending))


def _items(view: View, database: str) -> Iterator[Item]:
    start = b"\x00"
    while page := view.scan(database, start, None, ITEMS_AT_A_TIME):
        yield from page
        start = page[-1][0] + b"\x00"


def load_dump(
    store: Store, chunks: Iterator[Chunk], genesis: Genesis, app_hash: bytes
) -> Application:
    """Fill an empty store and open it: the state must have `app_hash`, and the last block too.

    That block must be of the genesis's chain and signed by its key, the first one aside, which
    nobody signs. Raises BadDump; the store then holds rubbish.
    """
    position = 0
    for database, group in groupby(_ordered(chunks), lambda chunk: chunk.database):
        position += 1
        if (database == "state") is not (position == 1):
            raise BadDump("the state does not come first")
        if database == "state":
            with store.write() as batch:
                items = (item for chunk in group for item in chunk.items)
                imported = import_state(batch, items, app_hash)
                if isinstance(imported, Rejected):
                    raise BadDump(imported.message)
            continue
        for chunk in group:
            with store.write() as batch:
                for key, value in chunk.items:
                    batch.put(database, key, value)
    _check_head(store, genesis, app_hash)
    try:
        return Application(store, genesis)
    except (BadNode, BadGenesis, BrokenSchedule, LookupError, ValueError) as error:
        raise BadDump(str(error)) from error


def _ordered(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """The chunks, as long as databases and keys ascend."""
    at, last = 0, b""
    for chunk in chunks:
        if chunk.database not in DUMPED or not chunk.items:
            raise BadDump(f"there is no chunk of {chunk.database[:20]!r} in a dump")
        index = DUMPED.index(chunk.database)
        if index != at:
            last = b""
        for key, _ in chunk.items:
            if index < at or not last < key or len(key) > MAX_KEY_BYTES:
                raise BadDump(f"items of {chunk.database!r} are out of order or too long")
            last = key
        if chunk.database == "meta" and any(key == FORMAT_KEY for key, _ in chunk.items):
            raise BadDump("a dump does not say which format the store has")
        at = index
        yield chunk


def _check_head(store: Store, genesis: Genesis, app_hash: bytes) -> None:
    with store.snapshot() as view:
        if view.get("meta", b"genesis") != encode_genesis_file(genesis):
            raise BadDump("the store is not of this genesis")
        if view.get("meta", b"chain_id") != chain_id_of(genesis).encode():
            raise BadDump("the store is of another chain")
        try:
            block = head_of(view)
        except ValueError as error:
            raise BadDump(f"the last block is unreadable: {error}") from error
    header = block.header
    if header.app_hash != app_hash or header.chain_id != chain_id_of(genesis):
        raise BadDump("the last block is not the one of this state and chain")
    if header.height and not is_signed(genesis, header, block.signature):
        raise BadDump("the last block is not signed by the chain's key")
