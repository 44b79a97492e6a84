"""The embedded engine: one process makes, executes, signs and stores blocks (CHAIN-8).

A block is made as soon as there is something to put in it, or when something falls due. This file
is the seam where the clock enters: block time comes from here and from nowhere else.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from synnergy.chain.application import Application, Finalised
from synnergy.chain.block import Proposal
from synnergy.chain.versions import UPGRADE_AGREED, BadNode, upgrade_warning
from synnergy.identity.keys import KeyPair
from synnergy.pipeline import TransactionResult
from synnergy.receipts.header import header_signing_bytes
from synnergy.rejected import Rejected
from synnergy.state.journal import Journal
from synnergy.state.store import StoreFull

#: Transactions that may wait; beyond it clients are told to come back (ENG-2).
MAX_WAITING = 5_000
MAX_WAITING_BYTES = 256 * 1024 * 1024
#: How long the engine sleeps at most before it looks at deadlines again, in seconds.
LONGEST_SLEEP = 60.0
#: Pause between steps of overwriting what was erased, in seconds.
OVERWRITE_PAUSE = 0.05

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Committed:
    """Where a transaction landed, and what became of it."""

    height: int
    index: int
    result: TransactionResult


@dataclass(slots=True)
class Submitted:
    """A transaction that waits for its block."""

    transaction: bytes
    raw: bytes
    committed: Committed | None = None
    dropped: Rejected | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def wait(self, timeout: float) -> Committed | None:
        """What became of it, or None where it isn't in a block within `timeout` seconds."""
        self.done.wait(timeout)
        return self.committed


class SoloEngine:
    """Drives one `Application` from one thread; `submit` and `status` may be called from any."""

    name = "solo"

    def __init__(self, application: Application, signer: KeyPair) -> None:
        self.application = application
        self.failure: str | None = None
        self._signer = signer
        self._waiting: OrderedDict[bytes, Submitted] = OrderedDict()
        self._waiting_bytes = 0
        self._checked: Journal = application.journal()
        self._lock = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="solo-engine", daemon=True)

    def start(self) -> None:
        """Start making blocks."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the block at hand and stop; what still waits is told that it is in no block."""
        with self._lock:
            self._stopping = True
            self._lock.notify_all()
        if self._thread.ident is not None:
            self._thread.join()
        with self._lock:
            self._drop_all(Rejected("ENG-1", "halted", "the node is stopping"))

    @property
    def mempool_size(self) -> int:
        return len(self._waiting)

    def status(self, transaction: bytes) -> str | None:
        """`pending` for a transaction that waits, else None."""
        with self._lock:
            return "pending" if transaction in self._waiting else None

    def submit(self, raw: bytes) -> Submitted | Rejected:
        """Check a transaction and let it wait for the next block, or say why not."""
        authentic = self.application.authenticate(raw)
        if isinstance(authentic, Rejected):
            return authentic
        with self._lock:
            if self.failure is not None or self._stopping:
                return Rejected("ENG-1", "halted", self.failure or "the node is stopping")
            known = self._waiting.get(authentic.id)
            if known is not None:
                return known
            full = self._waiting_bytes + len(raw) > MAX_WAITING_BYTES
            if full or len(self._waiting) >= MAX_WAITING:
                return Rejected(
                    "ENG-2", "busy", f"{len(self._waiting)} transactions are waiting; try again"
                )
            try:
                checked = self.application.check(raw, self._checked)
            except BadNode as lacking:  # the version of the next block, which the engine finds too
                return Rejected("ENG-1", "halted", str(lacking))
            if isinstance(checked, Rejected):
                return checked
            submitted = Submitted(checked.id, raw)
            self._waiting[checked.id] = submitted
            self._waiting_bytes += len(raw)
            self._lock.notify_all()
            return submitted

    def _run(self) -> None:
        try:
            while (work := self._wait_for_work()) is not None:
                work()
        except BaseException as error:  # halt loudly: nothing more is acknowledged (ENG-1)
            full = isinstance(error, StoreFull)
            why = str(error) if full else f"{type(error).__name__}: {error}"
            with self._lock:
                self.failure = f"the node halted, and keeps all that it acknowledged: {why}"
                self._drop_all(Rejected("ENG-1", "halted", self.failure))
            _log.critical(
                "halted",
                exc_info=None if full else error,
                extra={"reason": self.failure, "height": self.application.height},
            )

    def _drop_all(self, why: Rejected) -> None:
        for submitted in self._waiting.values():
            submitted.dropped = why
            submitted.done.set()
        self._waiting.clear()
        self._waiting_bytes = 0

    def _wait_for_work(self) -> Callable[[], None] | None:
        """Sleep until there is something to do, and say what; None when the engine is to stop."""
        overwriter = self.application.overwriter
        with self._lock:
            while not self._stopping:
                if self._waiting:
                    return self._make_block
                due = self.application.next_deadline()
                remaining = LONGEST_SLEEP if due is None else due / 1000 - time.time()
                if remaining <= 0:
                    return self._make_block
                if not overwriter.pending:
                    self._lock.wait(min(remaining, LONGEST_SLEEP))
                elif not self._lock.wait(OVERWRITE_PAUSE):
                    return overwriter.step
            return None

    def _make_block(self) -> None:
        application = self.application
        begun = time.perf_counter()
        with self._lock:
            waiting = [submitted.raw for submitted in self._waiting.values()]
        chosen = application.prepare(waiting)
        now = max(time.time_ns() // 1_000_000, application.header.time + 1)
        proposal = Proposal(application.height + 1, now, chosen)
        finalised = application.finalise(proposal)
        signature = self._signer.sign(header_signing_bytes(finalised.header))
        with self._lock:
            header = application.commit(signature)
            for index, result in enumerate(finalised.results):
                submitted = self._waiting.pop(result.transaction, None)
                if submitted is not None:
                    self._waiting_bytes -= len(submitted.raw)
                    submitted.committed = Committed(header.height, index, result)
                    submitted.done.set()
            application.next_schedule()  # or no block follows, and the node stops here (CHAIN-7)
            self._recheck()
        self._tell(finalised, time.perf_counter() - begun)
        if application.overwriter.pending:
            application.overwriter.step()

    def _tell(self, made: Finalised, seconds: float) -> None:
        """Log a block: figures and hashes, nothing of anyone's (API-13)."""
        refused = sum(result.status != "ok" for result in made.results)
        fields = {
            "height": made.header.height,
            "time": made.header.time,
            "app_hash": made.header.app_hash.hex(),
            "transactions": len(made.results),
            "refused": refused,
            "gas_used": sum(result.gas_used for result in made.results),
            "waiting": len(self._waiting),
            "seconds": round(seconds, 6),
        }
        _log.info("block", extra=fields)
        told = [event.name for result in made.results for event in result.events]
        warning = upgrade_warning(self.application.journal()) if UPGRADE_AGREED in told else ""
        if warning:
            _log.warning("upgrade", extra={"reason": warning})

    def _recheck(self) -> None:
        """Check what still waits against the new state; what no longer passes is dropped."""
        self._checked = self.application.journal()
        for identifier, submitted in list(self._waiting.items()):
            checked = self.application.check(submitted.raw, self._checked)
            if isinstance(checked, Rejected):
                del self._waiting[identifier]
                self._waiting_bytes -= len(submitted.raw)
                submitted.dropped = checked
                submitted.done.set()
