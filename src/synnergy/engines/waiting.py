"""The waiting room: transactions that were checked and are in no block yet (ENG-2).

Both engines keep one. Each check sees what the transactions before it reserve; after a block what
still waits is checked against the new state.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from synnergy.chain.application import Application
from synnergy.chain.versions import BadNode
from synnergy.identity.authenticate import Transaction
from synnergy.pipeline import TransactionResult
from synnergy.rejected import Rejected
from synnergy.state.journal import Journal
from synnergy.wire.calendar import utc_text

#: Transactions that may wait; beyond it clients are told to come back (ENG-2).
MAX_WAITING = 5_000
MAX_WAITING_BYTES = 256 * 1024 * 1024
#: Dropped transactions of which it is remembered why (ENG-4).
MAX_DROPPED = 10_000

#: Refusals of a nonce, of which the sender's waiting transactions may be the reason (TX-7).
_NONCE: Final = ("replayed", "nonce_too_high")


@dataclass(frozen=True, slots=True)
class Committed:
    """Where a transaction landed, and what became of it."""

    height: int
    index: int
    result: TransactionResult


_waits = threading.Lock()


@dataclass(slots=True)
class Submitted:
    """A transaction that waits for its block. `entry` is the mempool's that carries it, if any.

    `gas` is its gas limit; `since` says when that entry took it up, by the monotonic clock.
    """

    transaction: bytes
    raw: bytes
    gas: int
    sender: str
    entry: bytes | None = None
    since: float = 0.0
    committed: Committed | None = None
    dropped: Rejected | None = None
    _awaited: threading.Event | None = None

    @property
    def ended(self) -> bool:
        """Whether it is in a block, or dropped."""
        return self.committed is not None or self.dropped is not None

    def wait(self, timeout: float) -> Committed | None:
        """What became of it, or None where it isn't in a block within `timeout` seconds."""
        # Most are waited for by nobody, so that an event is made only by who does.
        with _waits:
            awaited = self._awaited = self._awaited or threading.Event()
        # Whoever ends it says so first and looks for the event then.
        if not self.ended:
            awaited.wait(timeout)
        return self.committed

    def end(self) -> None:
        """Wake those who wait: it is in a block, or dropped."""
        if self._awaited is not None:
            self._awaited.set()


class WaitingRoom:
    """What waits, in order. Every method is called by whoever holds `lock`, but for `status`."""

    def __init__(self, application: Application, most: int | None = None) -> None:
        self.lock = threading.Condition()
        #: Why nothing is accepted any more.
        self.closed: Rejected | None = None
        self.waiting: OrderedDict[bytes, Submitted] = OrderedDict()
        self._application = application
        self._most = MAX_WAITING if most is None else most
        self._bytes = 0
        self._senders: dict[str, dict[bytes, None]] = {}
        self._dropped: OrderedDict[bytes, Rejected] = OrderedDict()
        self._checked: Journal = application.journal()

    def __len__(self) -> int:
        return len(self.waiting)

    def status(self, transaction: bytes) -> Literal["pending"] | Rejected | None:
        """`pending` for a transaction that waits, why one that waited was dropped, else None."""
        with self.lock:
            return "pending" if transaction in self.waiting else self._dropped.get(transaction)

    def enter(self, transaction: Transaction) -> Submitted | Rejected:
        """Let a transaction wait for a block, or say why not; one that waits already is itself.

        Anyone can sign another's body (TX-5): only the very envelope that waits is that one.
        """
        if self.closed is not None:
            return self.closed
        raw = transaction.raw
        known = self.waiting.get(transaction.id)
        if known is not None and known.raw == raw:
            return known
        full = self._bytes + len(raw) > MAX_WAITING_BYTES
        if full or len(self.waiting) >= self._most:
            return Rejected(
                "ENG-2", "busy", f"{len(self.waiting)} transactions are waiting; try again"
            )
        try:
            checked = self._application.check(raw, self._checked)
        except BadNode as lacking:  # the version of the next block, which the engine finds too
            return Rejected("ENG-1", "halted", str(lacking))
        body = transaction.body
        if isinstance(checked, Rejected):
            return self._explained(checked, body.sender)
        submitted = Submitted(transaction.id, raw, body.gas_limit, body.sender)
        self.waiting[transaction.id] = submitted
        self._bytes += len(raw)
        self._senders.setdefault(body.sender, {})[transaction.id] = None
        self._dropped.pop(transaction.id, None)
        return submitted

    def settle(self, height: int, results: Sequence[TransactionResult]) -> None:
        """A block was committed: tell those that are in it, and check the others again."""
        for index, result in enumerate(results):
            if result.status == "inadmissible":  # it waits, or is told why not, like any other
                continue
            submitted = self.remove(result.transaction)
            if submitted is not None:
                submitted.committed = Committed(height, index, result)
                submitted.end()
        self._checked = self._application.journal()
        for identifier, submitted in list(self.waiting.items()):
            checked = self._application.check(submitted.raw, self._checked)
            if isinstance(checked, Rejected):
                self.remove(identifier)
                self._drop(submitted, checked)

    def close(self, why: Rejected) -> None:
        """Accept nothing any more, and tell what still waits that it will be in no block."""
        self.closed = why
        for identifier, submitted in list(self.waiting.items()):
            self.remove(identifier)
            self._drop(submitted, why)
        self.lock.notify_all()

    def _explained(self, refused: Rejected, sender: str) -> Rejected:
        """A refusal; where it is of a nonce, with what of its sender's waits, and the last block.

        Who asks for the account learns the committed nonce, which says nothing of what waits.
        """
        waiting = self._senders.get(sender)
        if not waiting or refused.code not in _NONCE:
            return refused
        first = next(iter(waiting)).hex()
        wait = "waits" if len(waiting) == 1 else "wait"
        header = self._application.header
        return Rejected(
            refused.rule,
            refused.code,
            f"{refused.message}: {len(waiting)} of its transactions {wait} for a block, first"
            f" {first}; the last block is {header.height}, of {utc_text(header.time)}",
        )

    def remove(self, transaction: bytes) -> Submitted | None:
        """Let one go that waits no more, or elsewhere; None where it doesn't wait here."""
        submitted = self.waiting.pop(transaction, None)
        if submitted is not None:
            self._bytes -= len(submitted.raw)
            of_sender = self._senders[submitted.sender]
            del of_sender[transaction]
            if not of_sender:
                del self._senders[submitted.sender]
        return submitted

    def _drop(self, submitted: Submitted, why: Rejected) -> None:
        self._dropped[submitted.transaction] = why
        while len(self._dropped) > MAX_DROPPED:
            self._dropped.popitem(last=False)
        submitted.dropped = why
        submitted.end()
