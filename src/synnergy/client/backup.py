"""Backups of a home: one file with the store, keys and openings, and back (CLIENT-18..20).

The store is read at one moment, beside a node that may be running; keys and openings are read
after it, so that every receipt in it finds its opening.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import lmdb

from synnergy import durable
from synnergy.chain.dump import MAX_CHUNK_BYTES, BadDump, Chunk, dump, head_of, load_dump
from synnergy.chain.genesis import BadGenesis, chain_id_of, decode_genesis_file
from synnergy.client.archive import (
    FORMAT,
    GENESIS,
    HEAD,
    BadArchive,
    Head,
    Writer,
    is_member,
    members,
)
from synnergy.client.failures import ClientError
from synnergy.client.home import (
    PRIVATE_FILE,
    PRIVATE_FOLDER,
    Home,
    load_genesis,
    open_whole,
    read_file,
    unreadable,
)
from synnergy.rejected import Rejected
from synnergy.state.store import Store, StoreFull
from synnergy.wire.codec import decode, encode, read_json

CHUNKS = "store/"
#: Readable by everybody, as where `init` writes it: it is public.
PUBLIC_FILE = 0o644


@dataclass(frozen=True, slots=True)
class BackedUp:
    """Which moment a backup holds; `left_out` are names in the home that it knows nothing of."""

    chain_id: str
    height: int
    app_hash: str
    bytes: int
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Restored:
    """Where a restored home's ledger stands."""

    chain_id: str
    height: int
    app_hash: str


def back_up(home: Home, out: Path) -> BackedUp:
    """Write a backup of `home` to the file `out`, whole or not at all; never overwrites.

    A node may run on the home meanwhile. Raises ClientError.
    """
    genesis = load_genesis(home.genesis)
    if out.exists() or out.is_symlink():
        raise ClientError("already_exists", f"{out} exists already and is not overwritten")
    try:
        store = Store.open(home.data, readonly=True)
    except FileNotFoundError:
        raise ClientError(
            "no_data", f"{home.data} holds no chain yet; `synnergy start` begins one"
        ) from None
    except (OSError, ValueError, lmdb.Error) as error:
        raise ClientError("bad_store", f"{home.data} cannot be read: {error}") from None
    try:
        with open_whole(out, overwrite=False) as file:
            head, left_out = _write(home, chain_id_of(genesis), store, file)
    except (BadDump, BadArchive, ValueError, lmdb.Error) as error:
        raise ClientError("backup_failed", f"{home.root} cannot be backed up: {error}") from None
    finally:
        store.close()
    return BackedUp(head.chain_id, head.height, head.app_hash, out.stat().st_size, left_out)


def _write(
    home: Home, chain_id: str, store: Store, file: BinaryIO
) -> tuple[Head, tuple[str, ...]]:
    with store.snapshot() as view:
        header = head_of(view).header
        if header.chain_id != chain_id:
            raise BadDump(f"its store is of {header.chain_id}, its genesis of {chain_id}")
        head = Head(FORMAT, header.chain_id, header.height, header.app_hash.hex())
        writer = Writer(file, head)
        writer.add(GENESIS, read_file(home.genesis))
        for index, chunk in enumerate(dump(view)):
            writer.add(f"{CHUNKS}{index:06}", encode(chunk))
    names, left_out = _files(home)
    for name in names:
        try:
            writer.add(name, (home.root / name).read_bytes())
        except FileNotFoundError:
            continue  # an opening that was forgotten since the folder was read
        except OSError as error:
            raise unreadable(home.root / name, error) from None
    writer.finish()
    return head, left_out


def _files(home: Home) -> tuple[list[str], tuple[str, ...]]:
    """Keys and openings in an archive's order, then what the home has besides."""
    kept: list[str] = []
    besides: list[str] = []
    folders = (home.keystore.name, home.openings.name)
    for folder in ("", *folders):
        place = home.root / folder
        for name in sorted(os.listdir(place) if place.is_dir() else ()):
            path = f"{folder}/{name}" if folder else name
            if path in (GENESIS, *folders, home.data.name):
                continue
            known = is_member(path) if folder else path == home.node_key.name
            wanted = known and (place / name).is_file()
            (kept if wanted else besides).append(path)
    kept.sort(key=lambda path: (not path.startswith(folders[0]), path))
    return kept, tuple(besides)


def restore(file: Path, home: Home) -> Restored:
    """Make the home that a backup holds, whole or not at all, in a folder that is empty or absent.

    Every digest is checked, the state's root is computed again and compared with the last block,
    whose signature must be that of the genesis's key. Raises ClientError.
    """
    _check_target(home.root)
    temporary = home.root.parent / f".{home.root.name[:64]}.{secrets.token_hex(8)}"
    try:
        home.root.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir(mode=PRIVATE_FOLDER)
        try:
            with file.open("rb") as archive:
                restored = _read_into(Home(temporary), archive)
            for folder in (temporary / "keystore", temporary / "openings", temporary):
                durable.sync(folder)
            temporary.rename(home.root)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        durable.sync(home.root.parent)
    except (BadArchive, BadDump, BadGenesis) as error:
        raise ClientError("bad_backup", f"{file} is not restored: {error}") from None
    except (StoreFull, lmdb.Error) as error:
        raise ClientError("unwritable_store", f"{home.root}: {error}") from None
    except OSError as error:
        where = error.filename or home.root
        raise ClientError("restore_failed", f"{where}: {error.strerror or error}") from None
    return restored


def _check_target(root: Path) -> None:
    if root.is_symlink() or (root.exists() and not root.is_dir()):
        raise ClientError("already_exists", f"{root} is not a folder")
    if root.is_dir() and any(root.iterdir()):
        raise ClientError(
            "already_exists", f"{root} is not empty; a backup is restored into an empty folder"
        )
    if os.path.ismount(root):
        raise ClientError("already_exists", f"{root} is a mount point; name a folder inside it")


def _read_into(home: Home, archive: BinaryIO) -> Restored:
    found = members(archive)
    head = read_json(_expect(found, HEAD), Head)
    genesis_file = _expect(found, GENESIS)
    genesis = decode_genesis_file(genesis_file)
    behind: list[tuple[str, bytes]] = []
    store = Store.open(home.data)
    try:
        chunks = _chunks(found, behind)
        application = load_dump(store, chunks, genesis, bytes.fromhex(head.app_hash))
        at = application.chain_id, application.height, application.app_hash.hex()
    finally:
        store.close()
    if at != (head.chain_id, head.height, head.app_hash):
        raise BadArchive(f"{HEAD} tells of another moment than its store is of")
    for folder in (home.keystore, home.openings):
        folder.mkdir(mode=PRIVATE_FOLDER)
    _write_new(home.genesis, genesis_file, PUBLIC_FILE)
    for name, content in chain(behind, found):
        _write_new(home.root / name, content, PRIVATE_FILE)
    return Restored(*at)


def _expect(found: Iterator[tuple[str, bytes]], name: str) -> bytes:
    member = next(found, None)
    if member is None or member[0] != name:
        raise BadArchive(f"{name} is missing")
    return member[1]


def _chunks(
    found: Iterator[tuple[str, bytes]], behind: list[tuple[str, bytes]]
) -> Iterator[Chunk]:
    """The store's chunks; the member that ended them is left in `behind`."""
    for index, (name, content) in enumerate(found):
        if not name.startswith(CHUNKS):
            behind.append((name, content))
            return
        if name != f"{CHUNKS}{index:06}":
            raise BadArchive(f"{CHUNKS}{index:06} is missing")
        chunk = decode(content, Chunk, MAX_CHUNK_BYTES)
        if isinstance(chunk, Rejected):
            raise BadArchive(f"{name} is unreadable: {chunk.message}")
        yield chunk


def _write_new(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
