"""The state at one height as files: for joining without history (CHAIN-10).

A snapshot is a manifest and numbered chunks below 16 MB; every node makes the same bytes of the
same height. It carries state and artefacts, neither blocks nor receipts nor people's payloads.
A chain of one node signs its header; of a network's, the commits vouch for height and app hash
alone (NET-31).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from synnergy.chain.block import StoredBlock
from synnergy.chain.genesis import LATEST_TIME, Genesis, chain_id_of, encode_genesis_file
from synnergy.identity.keys import verify_signature
from synnergy.opcodes.context import Payload
from synnergy.receipts.header import Header, header_signing_bytes
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.state.export import export_state, import_state
from synnergy.state.journal import Item
from synnergy.state.store import DATABASES, FORMAT_KEY, Batch, Store, View
from synnergy.wire.codec import Struct, decode, decode_trusted, encode
from synnergy.wire.types import Count, Digest

SNAPSHOT_FORMAT = 1
CHUNK_TARGET = 8 * 1024 * 1024
#: CometBFT's peers take chunks of 16,000,000 bytes and manifests of 4,000,000, overhead included.
MAX_CHUNK_BYTES = 15 * 1024 * 1024
MAX_MANIFEST_BYTES = 3_500_000
#: Of the store's databases, those that a snapshot says nothing about.
_KEPT = ("meta", "zeros")


class Manifest(Struct, frozen=True):
    """Which state this is (`header`, `signature`), and the digest of each chunk in order."""

    format: int
    header: Header
    signature: bytes
    items: Count
    chunks: tuple[Digest, ...]


class Chunk(Struct, frozen=True):
    """State items in key order, then artefact chunks (digest, content) in digest order."""

    state: tuple[tuple[bytes, bytes], ...]
    artefacts: tuple[tuple[bytes, bytes], ...]


class RestoreFailed(Exception):
    """The snapshot was refused, and the store holds nothing of it; the message says why."""


def write_snapshot(view: View, folder: Path, go_on: Callable[[], None] | None = None) -> Manifest:
    """Write the snapshot of a consistent view into an empty folder.

    `go_on` is called before each chunk, and ends it all where it raises.
    """
    height = view.get("meta", b"height")
    stored = view.get("blocks", height) if height is not None else None
    if stored is None:
        raise RestoreFailed("the store has no block to take a snapshot of")
    block = decode_trusted(stored, StoredBlock)
    folder.mkdir(parents=True, exist_ok=True)
    digests: list[bytes] = []
    items = 0
    for chunk in _chunks(view):
        if go_on is not None:
            go_on()
        items += len(chunk.state)
        content = encode(chunk)
        digests.append(hashlib.sha256(content).digest())
        folder.joinpath(f"{len(digests) - 1:06}").write_bytes(content)
    manifest = Manifest(SNAPSHOT_FORMAT, block.header, block.signature, items, tuple(digests))
    (folder / "manifest").write_bytes(encode(manifest))
    return manifest


def _chunks(view: View) -> Iterator[Chunk]:
    pending: list[Item] = []
    size = 0
    for key, value in export_state(view):
        if pending and size + len(key) + len(value) > CHUNK_TARGET:
            yield Chunk(tuple(pending), ())
            pending, size = [], 0
        pending.append((key, value))
        size += len(key) + len(value)
    if pending:
        yield Chunk(tuple(pending), ())
    files: list[Item] = []
    size = 0
    for digest in _artefact_chunks(view):
        stored = view.get("artefacts", digest)
        if stored is None:
            raise LookupError(f"artefact chunk {digest.hex()} is recorded but not stored")
        content = decode_trusted(stored, Payload).content
        if files and size + len(content) > CHUNK_TARGET:
            yield Chunk((), tuple(files))
            files, size = [], 0
        files.append((digest, content))
        size += len(content)
    if files:
        yield Chunk((), tuple(files))


def _artefact_chunks(view: View) -> list[bytes]:
    """Digests of every uploaded artefact chunk, sorted, each once."""
    prefix = records.artefacts.prefix
    stored = view.scan("state", prefix, prefix + b"\xff")
    uploads = [decode_trusted(value, records.Artefact) for _, value in stored]
    return sorted({digest for upload in uploads for digest in upload.chunks[: upload.received]})


def check_manifest(manifest: Manifest, genesis: Genesis) -> Rejected | None:
    """Whether this is a snapshot of the chain of `genesis`, of a kind that is known here."""
    header = manifest.header
    if manifest.format != SNAPSHOT_FORMAT:
        return _refused(f"snapshots of format {manifest.format} are not known here")
    if header.chain_id != chain_id_of(genesis):
        return _refused(f"the snapshot is of chain {header.chain_id}, not of this genesis")
    if not genesis.validators:
        signer = bytes.fromhex(genesis.signer)
        if verify_signature(signer, header_signing_bytes(header), manifest.signature):
            return None
        return _refused("the snapshot's header is not signed by the chain's key")
    if manifest.signature or header.previous != bytes(32) or header.height == 0:
        return _refused("the snapshot's header is not one of a network")
    if not genesis.time <= header.time <= LATEST_TIME:
        return _refused(f"no block of this chain has the time {header.time}")
    return None


def _refused(message: str) -> Rejected:
    return Rejected("CHAIN-10", "bad_snapshot", message)


def restore_snapshot(
    folder: Path, store: Store, genesis: Genesis, verified: bytes | None = None
) -> Manifest:
    """Fill a store from a snapshot; everything is checked before anything stays.

    The header must be signed by the genesis's key and the state must have its app hash; what a
    genesis alone makes is signed by nobody, and begun from it instead. In a network `verified` is
    the app hash that the commits vouch for at that height, and the snapshot takes the place of
    what the store holds of the genesis, or of another snapshot (NET-32).
    Raises RestoreFailed.
    """
    if verified is None and store.get("meta", b"chain_id") is not None:
        raise RestoreFailed("the store is not empty")
    if verified is not None and has_blocks(store):
        raise RestoreFailed("the store holds blocks, which no snapshot replaces")
    if (verified is None) == bool(genesis.validators):
        raise RestoreFailed("nobody vouches for a snapshot of this genesis here")
    manifest = decode(_read(folder, "manifest"), Manifest, MAX_CHUNK_BYTES)
    if isinstance(manifest, Rejected):
        raise RestoreFailed(f"the manifest is unreadable: {manifest.message}")
    refused = check_manifest(manifest, genesis)
    if refused is not None:
        raise RestoreFailed(refused.message)
    header = manifest.header
    if verified not in (None, header.app_hash):
        raise RestoreFailed("the manifest names another app hash than the network's commits")
    with store.write() as batch:
        for database in DATABASES:
            if database not in _KEPT:
                batch.clear(database)
        for key, _ in batch.scan("meta", b"", None):
            if key != FORMAT_KEY:
                batch.delete("meta", key)
        imported = import_state(batch, _state_items(folder, manifest, batch), header.app_hash)
        if isinstance(imported, Rejected):
            raise RestoreFailed(imported.message)
        brought = [key for key, _ in batch.scan("artefacts", b"", None)]
        if imported != manifest.items or brought != _artefact_chunks(batch):
            raise RestoreFailed("the snapshot's items or artefact chunks are not the state's")
        height = header.height.to_bytes(8, "big")
        batch.put("blocks", height, encode(StoredBlock(header, manifest.signature, (), ())))
        batch.put("meta", b"height", height)
        batch.put("meta", b"first_height", height)
        batch.put("meta", b"genesis", encode_genesis_file(genesis))
        batch.put("meta", b"chain_id", header.chain_id.encode())
    return manifest


def has_blocks(store: Store) -> bool:
    """Whether blocks follow what the store began with, be that the genesis or a snapshot."""
    height, first = store.get("meta", b"height"), store.get("meta", b"first_height")
    return int.from_bytes(height or b"", "big") > int.from_bytes(first or b"", "big")


def _read(folder: Path, name: str) -> bytes:
    try:
        return folder.joinpath(name).read_bytes()
    except OSError as error:
        raise RestoreFailed(f"{name} of the snapshot cannot be read: {error}") from error


def _state_items(folder: Path, manifest: Manifest, batch: Batch) -> Iterator[Item]:
    """State items of all chunks in order; artefact chunks go to the batch on the way."""
    put = partial(batch.put, "artefacts")
    for index, expected in enumerate(manifest.chunks):
        content = _read(folder, f"{index:06}")
        if hashlib.sha256(content).digest() != expected:
            raise RestoreFailed(f"chunk {index} is damaged")
        chunk = decode(content, Chunk, MAX_CHUNK_BYTES)
        if isinstance(chunk, Rejected):
            raise RestoreFailed(f"chunk {index} is unreadable: {chunk.message}")
        for digest, part in chunk.artefacts:
            if hashlib.sha256(part).digest() != digest:
                raise RestoreFailed(f"an artefact chunk in chunk {index} is not its digest's")
            put(digest, encode(Payload(b"", part, ())))
        yield from chunk.state
