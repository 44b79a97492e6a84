"""The engine of a network: CometBFT decides the blocks, this process executes them.

    API → submit → mempool → poster → CometBFT ═ peers
                                          │ ABCI
                          handler → application → store

CometBFT runs as a child: started last, ended first. Where it ends, the node does (NET-40).
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from synnergy.chain.application import Application
from synnergy.engines.abci.server import AbciServer
from synnergy.engines.cometbft.archivist import Archivist
from synnergy.engines.cometbft.divergence import Divergence, compare, is_failure, read_failure
from synnergy.engines.cometbft.files import (
    Layout,
    NodeSettings,
    StateSync,
    read_identity,
    socket_path,
    write_config,
)
from synnergy.engines.cometbft.handler import ApplicationHandler
from synnergy.engines.cometbft.joining import Stranded
from synnergy.engines.cometbft.members import endpoints
from synnergy.engines.cometbft.mempool import MAX_WAITING, Mempool
from synnergy.engines.cometbft.posting import Poster
from synnergy.engines.cometbft.process import CometProcess, Exit, LogLine
from synnergy.engines.cometbft.proofs import Proofs
from synnergy.engines.cometbft.pruning import Pruner, let_go
from synnergy.engines.cometbft.relay import LightRelay
from synnergy.engines.cometbft.rpc import CometRpc, CometUnreachable, RpcError
from synnergy.engines.cometbft.snapshots import Snapshots
from synnergy.engines.waiting import Submitted, WaitingRoom
from synnergy.rejected import Rejected
from synnergy.state.store import StoreFull

#: How often CometBFT is asked how it is, in seconds: while it catches up, and afterwards.
WATCH_SECONDS = 1.0
SETTLED_SECONDS = 3.0
#: How long another thread of this process may keep CometBFT from being answered, in seconds:
#: beside a busy one a round trip took up to 11 ms at Python's 5 ms, and up to 4 ms at this.
SWITCH_SECONDS = 0.001
#: How long a node with peers in its settings has none before it says so, in seconds.
ALONE_SECONDS = 30.0
ALONE = (
    "no peer is connected: either none of those in validator.json runs, or they refuse this node"
    " because no regulator admitted it; once that is mended, start this node again"
)
#: Pause between steps of overwriting what was erased, in seconds.
OVERWRITE_PAUSE = 0.05

_log = logging.getLogger(__name__)


class CometEngine:
    """Drives one `Application` for one CometBFT; `submit` and `status` from any thread.

    `on_end` is called when CometBFT ended though nobody asked for it: then the node is to end too,
    for whoever supervises it to start both again.
    """

    name = "cometbft"

    def __init__(
        self,
        application: Application,
        layout: Layout,
        settings: NodeSettings,
        binary: Path,
        on_end: Callable[[str], None],
        sync: StateSync | None = None,
    ) -> None:
        """With `sync`, CometBFT begins with a snapshot of the members' (NET-32)."""
        self.application = application
        #: Why the node halted: it serves reads, and accepts nothing (ENG-1).
        self.failure: str | None = None
        #: How CometBFT ended, where it did.
        self.ended: str | None = None
        self.catching_up = True
        self.peers = 0
        self._on_end = on_end
        self._company = Company(bool(settings.peers), time.monotonic())
        self._stopping = threading.Event()
        self._failing = threading.Lock()
        self._room = WaitingRoom(application, MAX_WAITING)
        self._mempool = Mempool(application, self._room)
        self._layout = layout
        self._binary = binary
        self._snapshots = Snapshots(
            application, layout.home / "snapshots", settings.snapshot_interval, self._adopted
        )
        trusted = frozenset(peer.partition("@")[0] for peer in settings.peers)
        handler = ApplicationHandler(
            application,
            self._room,
            self._mempool,
            self._snapshots,
            self._committed,
            lambda: self._pruner.retain,
            trusted,
            lambda: self.catching_up,
        )
        socket = socket_path(layout)
        write_config(layout, settings, socket, sync)
        self._server = AbciServer(socket, handler, self._fault)
        self._process = self._new_process()
        self._node_id = read_identity(layout).node_id
        self._stranded = Stranded(application, settings.members, self._node_id)
        self._syncs = sync is not None
        self._rpc = CometRpc(settings.rpc)
        #: What nodes that join may ask of CometBFT.
        self.relay = LightRelay(self._rpc, self._snapshots)
        #: What the API proves by it.
        self.proofs = Proofs(application, self._rpc)
        self._archivist = Archivist(
            application.store,
            application.genesis,
            self._rpc,
            lambda: endpoints(application),
            self._fault,
        )
        self._pruner = Pruner(
            application,
            layout,
            self._snapshots,
            self._archivist.archived_to,
            settings.keep_blocks,
        )
        self._poster = Poster(self._mempool, self._rpc, self._fault)
        self._watcher = threading.Thread(target=self._watch, name="comet-watch", daemon=True)

    def _new_process(self) -> CometProcess:
        return CometProcess(self._binary, self._layout, self._exited, self._heard)

    def start(self) -> None:
        """Serve the application, then start CometBFT. Raises NoCometBFT, BadFiles, OSError."""
        sys.setswitchinterval(SWITCH_SECONDS)
        self._server.start()
        try:
            let_go(self._layout, self._binary)
            self._process.start()
        except BaseException:
            self._server.stop()
            raise
        self._poster.start()
        self._watcher.start()
        self._archivist.start()

    def stop(self) -> None:
        """End CometBFT, finish the block at hand, and tell what still waits."""
        self._stopping.set()
        with self._failing:
            process = self._process
        process.stop()
        self._server.stop()
        with self._room.lock:
            self._room.close(Rejected("ENG-1", "halted", "the node is stopping"))
        self._poster.stop()
        if self._watcher.ident is not None:
            self._watcher.join()
        self._snapshots.stop()
        self._archivist.stop()
        self._rpc.close()

    @property
    def pid(self) -> int | None:
        """CometBFT's process, None where it doesn't run."""
        return self._process.pid

    @property
    def mempool_size(self) -> int:
        return len(self._room)

    def status(self, transaction: bytes) -> Literal["pending"] | Rejected | None:
        """`pending` for a transaction that waits, why one was dropped, else None."""
        return self._room.status(transaction)

    def submit(self, raw: bytes) -> Submitted | Rejected:
        """Check a transaction and let it travel to the network, or say why not (ENG-3)."""
        if self.catching_up and self._room.closed is None:
            height = self.application.height
            stranded = self._stranded.reason
            return Rejected(
                "ENG-3",
                "catching_up",
                f"this node is at height {height} and still catching up with the network, so it"
                " cannot judge a transaction; try again, or another node"
                + (f" ({stranded})" if stranded else ""),
            )
        return self._mempool.submit(raw)

    # ---- what the node hears ---------------------------------------------------------------

    def _committed(self) -> None:
        self._snapshots.committed()
        self._archivist.committed()

    def _adopted(self) -> None:
        """The store holds another node's snapshot."""
        with self._room.lock:
            self.application.adopt()
            self._room.settle(self.application.height, ())

    def _heard(self, line: LogLine) -> None:
        """CometBFT stays up when consensus fails, and only says so (NET-41)."""
        if is_failure(line) and self.failure is None:
            why = read_failure(self.application, line)
            threading.Thread(target=self._part, args=(why,), name="halt", daemon=True).start()

    def _part(self, why: Divergence | str) -> None:
        """Halt, then look what differs: others are asked only by a node that does nothing else."""
        if not self._halt(str(why)) or isinstance(why, str):
            return
        told = compare(self.application, why)
        if told and self.failure is not None:
            self.failure = f"{self.failure}. {told[0].upper()}{told[1:]}"
            _log.critical("compared", extra={"reason": told, "height": why.height})

    def _fault(self, error: BaseException) -> None:
        full = isinstance(error, StoreFull)
        why = str(error) if full else f"{type(error).__name__}: {error}"
        self._halt(why, None if full else error)

    def _halt(self, why: str, error: BaseException | None = None) -> bool:
        """Accept nothing more, say why, and end CometBFT; what is committed stays readable.

        False where the node halted before, or is stopping.
        """
        with self._failing:
            if self.failure is not None or self._stopping.is_set():
                return False
            self.failure = f"the node halted, and keeps all that is committed: {why}"
        with self._room.lock:
            self._room.close(Rejected("ENG-1", "halted", self.failure))
        height = self.application.height
        _log.critical("halted", exc_info=error, extra={"reason": self.failure, "height": height})
        self._process.stop()
        return True

    def _exited(self, exit: Exit) -> None:
        """CometBFT ended by itself: after a fault here because of it, else by its own."""
        if self._stopping.is_set() or self.failure is not None:
            return
        how = f"by signal {-exit.status}" if exit.status < 0 else f"with status {exit.status}"
        said = f"; it said last: {exit.lines[-1]}" if exit.lines else ""
        # A fault of the application closes the socket, on which CometBFT ends; that is told first.
        self._stopping.wait(0.5)
        if self._stopping.is_set() or self.failure is not None:
            return
        self.ended = f"CometBFT ended {how}{said}"
        _log.critical("cometbft ended", extra={"reason": self.ended})
        with self._room.lock:
            self._room.close(Rejected("ENG-1", "halted", self.ended))
        self._on_end(self.ended)

    # ---- beside the blocks -----------------------------------------------------------------

    def _watch(self) -> None:
        """Ask CometBFT how it is, and overwrite what was erased, between blocks."""
        due = 0.0
        overwriter = self.application.overwriter
        while not self._stopping.is_set():
            now = time.monotonic()
            if now >= due:
                self._ask()
                settled = self.peers and not self.catching_up
                due = now + (SETTLED_SECONDS if settled else WATCH_SECONDS)
            pause = due - now
            try:
                self._pruner.step()
                if not self.catching_up and self._pruner.rest_due(self._node_id):
                    self._rest()
                if overwriter.pending and self.failure is None:
                    overwriter.step()
                    pause = OVERWRITE_PAUSE
            except BaseException as error:
                self._fault(error)
                return
            self._stopping.wait(pause)

    def _rest(self) -> None:
        """Start CometBFT anew, so that its files let go of what was pruned (NET-36)."""
        with self._failing:
            if self.failure is not None or self._stopping.is_set():
                return
            _log.info("cometbft rests", extra={"height": self.application.height})
            self._process.stop()
            self._mempool.forgotten()  # before the next one has entries that were not
            let_go(self._layout, self._binary)
            self._process = self._new_process()
            self._process.start()

    def _ask(self) -> None:
        with suppress(CometUnreachable, RpcError):
            self.catching_up = self._rpc.status().sync_info.catching_up
            self.peers = len(self._rpc.net_info().peers)
        if self.catching_up and (self.application.height or not self._syncs):
            self._stranded.look()
        if self._company.lacks(self.peers, time.monotonic()):
            _log.warning("alone", extra={"reason": ALONE})


class Company:
    """Whether a node with peers in its settings has had none for ALONE_SECONDS."""

    def __init__(self, named: bool, now: float) -> None:
        """`named`: there are peers in its settings. `now` in seconds, as everywhere here."""
        self._named = named
        self._since = now
        self._before = 0

    def lacks(self, peers: int, now: float) -> bool:
        """Told how many peers are connected, say whether it is time to complain of none."""
        # Those that refuse this node are connected too, for a moment, again and again.
        kept, self._before = peers and self._before, peers
        if kept or not self._named:
            self._since = now
            return False
        if now - self._since <= ALONE_SECONDS:
            return False
        self._since = now
        return True
