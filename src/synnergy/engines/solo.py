"""The embedded engine: one process makes, executes, signs and stores blocks (CHAIN-8).

A block is made as soon as there is something to put in it, or when something falls due. This file
is the seam where the clock enters: block time comes from here and from nowhere else.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Literal

from synnergy.chain.application import Application
from synnergy.chain.block import Proposal
from synnergy.engines.report import tell_block
from synnergy.engines.waiting import Submitted, WaitingRoom
from synnergy.identity.keys import KeyPair
from synnergy.receipts.header import header_signing_bytes
from synnergy.rejected import Rejected
from synnergy.state.store import StoreFull

#: How long the engine sleeps at most before it looks at deadlines again, in seconds.
LONGEST_SLEEP = 60.0
#: Pause between steps of overwriting what was erased, in seconds.
OVERWRITE_PAUSE = 0.05

_log = logging.getLogger(__name__)


class SoloEngine:
    """Drives one `Application` from one thread; `submit` and `status` may be called from any."""

    name = "solo"

    def __init__(self, application: Application, signer: KeyPair) -> None:
        self.application = application
        self.failure: str | None = None
        self._signer = signer
        self._room = WaitingRoom(application)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="solo-engine", daemon=True)

    def start(self) -> None:
        """Start making blocks."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the block at hand and stop; what still waits is told that it is in no block."""
        with self._room.lock:
            self._stopping = True
            self._room.lock.notify_all()
        if self._thread.ident is not None:
            self._thread.join()
        with self._room.lock:
            self._room.close(Rejected("ENG-1", "halted", "the node is stopping"))

    @property
    def mempool_size(self) -> int:
        return len(self._room)

    @property
    def catching_up(self) -> bool:
        return False

    @property
    def peers(self) -> int:
        return 0

    def status(self, transaction: bytes) -> Literal["pending"] | Rejected | None:
        """`pending` for a transaction that waits, why one was dropped, else None."""
        return self._room.status(transaction)

    def submit(self, raw: bytes) -> Submitted | Rejected:
        """Check a transaction and let it wait for the next block, or say why not."""
        authentic = self.application.authenticate(raw)
        if isinstance(authentic, Rejected):
            return authentic
        with self._room.lock:
            if self._stopping:
                return Rejected("ENG-1", "halted", "the node is stopping")
            entered = self._room.enter(authentic)
            self._room.lock.notify_all()
            return entered

    def _run(self) -> None:
        try:
            while (work := self._wait_for_work()) is not None:
                work()
        except BaseException as error:  # halt loudly: nothing more is acknowledged (ENG-1)
            full = isinstance(error, StoreFull)
            why = str(error) if full else f"{type(error).__name__}: {error}"
            with self._room.lock:
                self.failure = f"the node halted, and keeps all that it acknowledged: {why}"
                self._room.close(Rejected("ENG-1", "halted", self.failure))
            _log.critical(
                "halted",
                exc_info=None if full else error,
                extra={"reason": self.failure, "height": self.application.height},
            )

    def _wait_for_work(self) -> Callable[[], None] | None:
        """Sleep until there is something to do, and say what; None when the engine is to stop."""
        overwriter = self.application.overwriter
        with self._room.lock:
            while not self._stopping:
                if self._room:
                    return self._make_block
                due = self.application.next_deadline()
                remaining = LONGEST_SLEEP if due is None else due / 1000 - time.time()
                if remaining <= 0:
                    return self._make_block
                if not overwriter.pending:
                    self._room.lock.wait(min(remaining, LONGEST_SLEEP))
                elif not self._room.lock.wait(OVERWRITE_PAUSE):
                    return overwriter.step
            return None

    def _make_block(self) -> None:
        application = self.application
        begun = time.perf_counter()
        with self._room.lock:
            waiting = [submitted.raw for submitted in self._room.waiting.values()]
        chosen = application.prepare(waiting)
        now = max(time.time_ns() // 1_000_000, application.header.time + 1)
        proposal = Proposal(application.height + 1, now, chosen)
        finalised = application.finalise(proposal)
        signature = self._signer.sign(header_signing_bytes(finalised.header))
        with self._room.lock:
            header = application.commit(signature)
            self._room.settle(header.height, finalised.results)
            application.next_schedule()  # or no block follows, and the node stops here (CHAIN-7)
        tell_block(application, finalised, len(self._room), time.perf_counter() - begun)
        if application.overwriter.pending:
            application.overwriter.step()
