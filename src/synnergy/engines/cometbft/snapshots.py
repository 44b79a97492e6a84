"""Snapshots of this node for those that join, and the one that it joins with itself (NET-30..32).

HOME/snapshots/500/     the snapshot of block 500: `manifest`, `000000`, `000001` …
HOME/snapshots/.new     one that is being written; whole, it is renamed
HOME/snapshots/.taken   chunks of another node's, until all of them are here
HOME/snapshots/.gone    an old one that is being removed

A block costs what opening a read transaction costs; the files are written by a thread.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from synnergy import durable
from synnergy.chain.application import Application
from synnergy.chain.snapshot import (
    MAX_CHUNK_BYTES,
    MAX_MANIFEST_BYTES,
    SNAPSHOT_FORMAT,
    Manifest,
    RestoreFailed,
    check_manifest,
    has_blocks,
    restore_snapshot,
    write_snapshot,
)
from synnergy.engines.abci import abci_pb2 as abci
from synnergy.receipts.header import Header
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.state.store import View
from synnergy.wire.codec import decode

#: Snapshots that are kept: one that a node is fetching stays while the next two are taken.
KEPT: Final = 3
MANIFEST: Final = "manifest"
_NEW: Final = ".new"
_TAKEN: Final = ".taken"
_GONE: Final = ".gone"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """A snapshot that lies here whole."""

    height: int
    time: int
    chunks: int
    manifest: bytes


@dataclass(frozen=True, slots=True)
class _Offered:
    """The snapshot that this node takes; `have` are the chunks that are here."""

    manifest: Manifest
    app_hash: bytes
    have: set[int]


class _Stopped(Exception):
    """The node stops, and the snapshot under way is given up."""


class Snapshots:
    """CometBFT's four messages about snapshots, and taking them.

    `adopted` is called once the store holds another node's snapshot instead of the genesis.
    """

    def __init__(
        self,
        application: Application,
        folder: Path,
        interval: int,
        adopted: Callable[[], None],
    ) -> None:
        """Blocks whose height `interval` divides have snapshots."""
        self._application = application
        self._folder = folder
        self._interval = interval
        self._adopted = adopted
        self._offered: _Offered | None = None
        self._stopping = threading.Event()
        self._writer: threading.Thread | None = None
        for unfinished in (_NEW, _TAKEN, _GONE):
            shutil.rmtree(folder / unfinished, ignore_errors=True)
        self._kept = _find(folder)
        self._keeping = threading.Lock()
        #: Block time of the last snapshot that was begun, in ms.
        self._begun = self._kept[0].time if self._kept else application.genesis.time

    # ---- taking ----------------------------------------------------------------------------

    def committed(self) -> None:
        """A block was committed, and the next is not yet: take its snapshot where one is due."""
        header = self._application.header
        if self._stopping.is_set() or not self._due(header):
            return
        if self._writer is not None and self._writer.is_alive():
            fields = {"height": header.height, "reason": "the one before is still written"}
            _log.warning("snapshot left out", extra=fields)
            return
        self._begun = header.time
        kept = ExitStack()
        view = kept.enter_context(self._application.store.snapshot())
        self._writer = threading.Thread(
            target=self._take, args=(header.height, view, kept), name="snapshot", daemon=True
        )
        self._writer.start()

    def _due(self, header: Header) -> bool:
        """Every so many blocks; and where payloads are kept for a time only, twice within it.

        CometBFT may forget a block once a snapshot is younger (NET-34).
        """
        if header.height % self._interval == 0:
            return True
        retention = records.retention_of(self._application.journal())
        return bool(retention) and header.time - self._begun > retention // 2

    def stop(self) -> None:
        """Give up what is being written."""
        self._stopping.set()
        if self._writer is not None:
            self._writer.join()

    def _take(self, height: int, view: View, kept: ExitStack) -> None:
        new = self._folder / _NEW
        try:
            with kept:
                shutil.rmtree(new, ignore_errors=True)
                manifest = write_snapshot(view, new, self._go_on)
            content = (new / MANIFEST).read_bytes()
            if len(content) > MAX_MANIFEST_BYTES:
                raise OSError(f"its manifest has {len(content)} bytes, too many for CometBFT")
            for path in new.iterdir():
                durable.sync(path)
            durable.sync(new)
            new.rename(self._folder / str(height))
            durable.sync(self._folder)
        except _Stopped:
            shutil.rmtree(new, ignore_errors=True)
            return
        except OSError as error:
            # Nobody's block depends on it; the next may succeed.
            shutil.rmtree(new, ignore_errors=True)
            _log.warning("snapshot failed", extra={"height": height, "reason": str(error)})
            return
        _log.info("snapshot", extra={"height": height, "chunks": len(manifest.chunks)})
        one = Kept(height, manifest.header.time, len(manifest.chunks), content)
        with self._keeping:
            self._keep((one, *self._kept)[:KEPT])

    def _go_on(self) -> None:
        if self._stopping.is_set():
            raise _Stopped

    def _keep(self, kept: tuple[Kept, ...]) -> None:
        """Let go of the others, each whole: none is there in part, whenever the node is killed."""
        gone = [one for one in self._kept if one not in kept]
        self._kept = kept
        for one in gone:
            aside = self._folder / _GONE
            shutil.rmtree(aside, ignore_errors=True)
            try:
                (self._folder / str(one.height)).rename(aside)
            except OSError as error:
                fields = {"height": one.height, "reason": str(error)}
                _log.warning("snapshot not removed", extra=fields)
            shutil.rmtree(aside, ignore_errors=True)

    @property
    def kept(self) -> tuple[Kept, ...]:
        """The snapshots that lie here whole, newest first."""
        return self._kept

    def forget_below(self, height: int) -> None:
        """Offer none of which the blocks after it are gone."""
        with self._keeping:
            self._keep(tuple(one for one in self._kept if one.height >= height))

    # ---- giving ----------------------------------------------------------------------------

    def list(self) -> abci.ResponseListSnapshots:
        return abci.ResponseListSnapshots(
            snapshots=[
                abci.Snapshot(
                    height=one.height,
                    format=SNAPSHOT_FORMAT,
                    chunks=one.chunks,
                    hash=hashlib.sha256(one.manifest).digest(),
                    metadata=one.manifest,
                )
                for one in self._kept
            ]
        )

    def load(self, request: abci.RequestLoadSnapshotChunk) -> abci.ResponseLoadSnapshotChunk:
        """A chunk straight from its file; nothing where it isn't here any more."""
        known = any(
            one.height == request.height and request.chunk < one.chunks for one in self._kept
        )
        if not known or request.format != SNAPSHOT_FORMAT:
            return abci.ResponseLoadSnapshotChunk()
        path = self._folder / str(request.height) / f"{request.chunk:06}"
        try:
            return abci.ResponseLoadSnapshotChunk(chunk=path.read_bytes())
        except OSError:
            return abci.ResponseLoadSnapshotChunk()

    # ---- joining ---------------------------------------------------------------------------

    def offer(self, request: abci.RequestOfferSnapshot) -> abci.ResponseOfferSnapshot:
        """Whether to take a snapshot, of which CometBFT verified the app hash."""
        answer = abci.ResponseOfferSnapshot
        self._offered = None
        if has_blocks(self._application.store):
            _log.warning("snapshot refused", extra={"reason": "this node has blocks already"})
            return answer(result=answer.ABORT)
        snapshot = request.snapshot
        if snapshot.format != SNAPSHOT_FORMAT:
            return answer(result=answer.REJECT_FORMAT)
        manifest = decode(snapshot.metadata, Manifest, MAX_MANIFEST_BYTES)
        if isinstance(manifest, Rejected):
            return self._refuse(answer.REJECT_SENDER, manifest.message)
        told = snapshot.height, snapshot.chunks, snapshot.hash
        said = (
            manifest.header.height,
            len(manifest.chunks),
            hashlib.sha256(snapshot.metadata).digest(),
        )
        if told != said:
            return self._refuse(answer.REJECT_SENDER, "its manifest is of another snapshot")
        refused = check_manifest(manifest, self._application.genesis)
        if refused is not None:
            return self._refuse(answer.REJECT_SENDER, refused.message)
        if manifest.header.app_hash != request.app_hash:
            return self._refuse(answer.REJECT, "its app hash is not the network's")
        taken = self._folder / _TAKEN
        shutil.rmtree(taken, ignore_errors=True)
        taken.mkdir(parents=True)
        (taken / MANIFEST).write_bytes(snapshot.metadata)
        self._offered = _Offered(manifest, request.app_hash, set())
        fields = {"height": snapshot.height, "chunks": snapshot.chunks}
        _log.info("snapshot accepted", extra=fields)
        return answer(result=answer.ACCEPT)

    def _refuse(
        self, result: abci.ResponseOfferSnapshot.Result, why: str
    ) -> abci.ResponseOfferSnapshot:
        _log.warning("snapshot refused", extra={"reason": why})
        return abci.ResponseOfferSnapshot(result=result)

    def apply(self, request: abci.RequestApplySnapshotChunk) -> abci.ResponseApplySnapshotChunk:
        """Keep a chunk; with the last one the store is filled, in one write."""
        answer = abci.ResponseApplySnapshotChunk
        offered = self._offered
        if offered is None:
            return answer(result=answer.ABORT)
        digests = offered.manifest.chunks
        if request.index >= len(digests):
            return answer(result=answer.REJECT_SNAPSHOT)
        whole = len(request.chunk) <= MAX_CHUNK_BYTES
        if not whole or hashlib.sha256(request.chunk).digest() != digests[request.index]:
            _log.warning(
                "snapshot chunk refused", extra={"chunk": request.index, "sender": request.sender}
            )
            return answer(
                result=answer.RETRY,
                refetch_chunks=[request.index],
                reject_senders=[request.sender] if request.sender else [],
            )
        taken = self._folder / _TAKEN
        (taken / f"{request.index:06}").write_bytes(request.chunk)
        offered.have.add(request.index)
        if len(offered.have) < len(digests):
            return answer(result=answer.ACCEPT)
        self._offered = None
        application = self._application
        try:
            restore_snapshot(taken, application.store, application.genesis, offered.app_hash)
        except RestoreFailed as failed:
            _log.warning("snapshot refused", extra={"reason": str(failed)})
            return answer(result=answer.REJECT_SNAPSHOT)
        finally:
            shutil.rmtree(taken, ignore_errors=True)
        self._adopted()
        height, app_hash = application.height, application.app_hash.hex()
        _log.info("snapshot taken over", extra={"height": height, "app_hash": app_hash})
        return answer(result=answer.ACCEPT)


def _find(folder: Path) -> tuple[Kept, ...]:
    """The snapshots in a folder, newest first; what is unreadable there is left alone."""
    found: list[Kept] = []
    for path in folder.iterdir() if folder.is_dir() else ():
        try:
            content = (path / MANIFEST).read_bytes()
        except OSError:
            continue
        manifest = decode(content, Manifest, MAX_MANIFEST_BYTES)
        if isinstance(manifest, Manifest) and path.name == str(manifest.header.height):
            header = manifest.header
            found.append(Kept(header.height, header.time, len(manifest.chunks), content))
    return tuple(sorted(found, key=lambda one: one.height, reverse=True))
