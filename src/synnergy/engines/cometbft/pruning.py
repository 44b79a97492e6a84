"""How long CometBFT keeps blocks, and with them the attachments that they carried (NET-34..36).

A block may go once its payloads' time is over and whoever joins can do without it. CometBFT
removes it from its block store; its database and its log of consensus let go of the bytes later,
and wholly when it starts. So it is started anew from time to time.
"""

from __future__ import annotations

import logging
import subprocess
import time
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from synnergy.chain.application import Application
from synnergy.chain.archive import height_key
from synnergy.engines.cometbft import consensus_log
from synnergy.engines.cometbft.files import BadFiles, Layout, write_whole
from synnergy.engines.cometbft.process import end_orphan
from synnergy.engines.cometbft.snapshots import Snapshots
from synnergy.state import records

#: Blocks that are kept whatever else is said: what CometBFT looks back at, and nodes that were
#: away for a moment.
LEAST_KEPT: Final = 20
#: Seconds after which the horizon is worked out anew.
PAUSE_SECONDS: Final = 5.0
#: Where payloads have a time, CometBFT is started anew twice in it, within these bounds, in
#: seconds.
SHORTEST_RUN: Final = 3600.0
LONGEST_RUN: Final = 7 * 24 * 3600.0
#: Block stores up to this size are rewritten while the node runs, which takes half a minute at
#: most; larger ones when it is started.
REWRITTEN_BYTES: Final = 2 * 1024**3
#: CometBFT's own command, which rewrites its databases without what was deleted.
COMPACT: Final = "experimental-compact-goleveldb"

_log = logging.getLogger(__name__)


class _DatedHeader(msgspec.Struct, frozen=True):
    time: int


class _Dated(msgspec.Struct, frozen=True):
    """Of a stored block its time alone, the rest skipped."""

    header: _DatedHeader


_DATED: Final = msgspec.msgpack.Decoder(_Dated)


class Pruner:
    """`retain` is the first height that CometBFT must keep, 0: all; `step` works it out anew."""

    def __init__(
        self,
        application: Application,
        layout: Layout,
        snapshots: Snapshots,
        archived_to: Callable[[], int],
        keep_blocks: int,
    ) -> None:
        """`archived_to`: up to there the commits that prove receipts are in our archive.
        `keep_blocks` says how many blocks are kept where payloads are kept for ever, 0: all."""
        self._application = application
        self._layout = layout
        self._snapshots = snapshots
        self._archived_to = archived_to
        self._keep_blocks = keep_blocks
        self._due = 0.0
        self._run: tuple[float, int] | None = None
        self.retain = 0

    def step(self) -> None:
        """Every few seconds look anew; called often, by one thread."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + PAUSE_SECONDS
        retention = records.retention_of(self._application.journal())
        retain = self._first_kept(retention)
        if retain > self.retain:
            # What is offered to nodes that join must be followed by blocks.
            self._snapshots.forget_below(retain)
            if retention:
                self._mark()
            self.retain = retain
        if retention:  # NET-35
            consensus_log.forget_older(log_folder(self._layout), time.time() - retention / 1000)

    def rest_due(self, node_id: str) -> bool:
        """Whether CometBFT is to start anew now, for its files to let go of what was pruned.

        Each node has moments of its own, so that they don't do it together.
        """
        retention = records.retention_of(self._application.journal())
        if not retention:
            return False
        length = run_seconds(retention)
        run = length, int(time.time() / length + int(node_id[:8], 16) / 2**32)
        before, self._run = self._run, run
        if before is None or before == run or before[0] != length:
            return False
        return marker(self._layout).exists() and _size(self._layout) <= REWRITTEN_BYTES

    def _first_kept(self, retention: int) -> int:
        height, kept = self._application.height, self._snapshots.kept
        if not kept:
            return 0
        if retention:
            since = self._application.header.time - retention
            low = max(self.retain, self._first(), 1)
            horizon = bisect_left(range(height + 1), since, lo=min(low, height), key=self._time)
            joinable = kept[0].height
        elif self._keep_blocks:
            horizon = height - max(self._keep_blocks, LEAST_KEPT) + 1
            joinable = kept[-1].height
        else:
            return 0
        return max(0, min(horizon, joinable, self._archived_to(), height - 1))

    def _first(self) -> int:
        """The first block that is stored here, behind a genesis or a snapshot."""
        begun = self._application.store.get("meta", b"first_height")
        return int.from_bytes(begun or b"", "big")

    def _time(self, height: int) -> int:
        stored = self._application.store.get("blocks", height_key(height))
        if stored is None:
            raise LookupError(f"the store has no block {height}")
        return _DATED.decode(stored).header.time

    def _mark(self) -> None:
        """Note for the next start that CometBFT's databases still hold what it deleted."""
        try:
            write_whole(marker(self._layout), b"")
        except BadFiles as failed:
            _log.warning("pruning not noted", extra={"reason": str(failed)})


def run_seconds(retention: int) -> float:
    """How long CometBFT runs at most before it starts anew, where payloads are kept `retention`
    ms."""
    return min(max(retention / 2000, SHORTEST_RUN), LONGEST_RUN)


def marker(layout: Layout) -> Path:
    return layout.root / "pruned"


def log_folder(layout: Layout) -> Path:
    return layout.root / "data" / "cs.wal"


def _size(layout: Layout) -> int:
    """Bytes of CometBFT's block store."""
    folder = layout.root / "data" / "blockstore.db"
    # A file may go while it is looked at.
    return sum(path.stat().st_size for path in folder.glob("*.ldb") if path.exists())


def let_go(layout: Layout, binary: Path) -> None:
    """Before CometBFT starts: make it forget for good what it was told to forget.

    Raises BadFiles where another CometBFT runs on this home and doesn't end.
    """
    end_orphan(layout)
    try:
        removed = consensus_log.trim(log_folder(layout))
    except OSError as error:
        raise BadFiles(f"{log_folder(layout)} cannot be shortened: {error}") from None
    if removed:
        _log.info("consensus log shortened", extra={"bytes": removed})
    if not marker(layout).exists():
        return
    begun = time.monotonic()
    done = subprocess.run(
        [str(binary), COMPACT, "--home", str(layout.root)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=layout.root,
    )
    if done.returncode:
        said = done.stdout.decode("utf-8", "replace").strip()[-200:]
        _log.warning("pruned blocks not compacted", extra={"reason": said})
        return
    marker(layout).unlink(missing_ok=True)
    _log.info("pruned blocks compacted", extra={"seconds": round(time.monotonic() - begun, 1)})
