"""CometBFT's mempool as the application sees it: entries, and the transactions they carry.

    submit → check → outbox → bundle → CometBFT → check of the entry, on every node

What this node accepted waits in the room; the outbox holds what is in no entry yet.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Iterable, Sequence

from synnergy.chain.application import Application
from synnergy.engines.waiting import Submitted, WaitingRoom
from synnergy.identity.authenticate import Transaction
from synnergy.pipeline import TransactionResult
from synnergy.rejected import Rejected
from synnergy.wire.bundle import MAX_BUNDLE_BYTES, MAX_BUNDLED, unbundle

#: Transactions that may wait here; clients are told to come back long before CometBFT's own
#: mempool is full.
MAX_WAITING = 20_000
#: Seconds after which what no block took travels anew. Others may have refused its entry, for they
#: were full, or what it follows came to them later; CometBFT offers an entry to a peer only once.
RESEND_SECONDS = 20.0
#: Of a bundle's bytes, what its own encoding takes at most beside the envelopes.
_OVERHEAD_BYTES = 64
_EACH_BYTES = 5


class Mempool:
    """Entries and transactions, under the lock of the room; from any thread."""

    def __init__(self, application: Application, room: WaitingRoom) -> None:
        self._application = application
        self._room = room
        self._outbox: deque[Submitted] = deque()
        self._entries: dict[bytes, tuple[bytes, ...]] = {}
        #: Transactions that were submitted here: this node sees to it that an entry carries them.
        self._own: set[bytes] = set()

    def submit(self, raw: bytes) -> Submitted | Rejected:
        """Check a transaction and put it into the outbox, or say why not."""
        authentic = self._application.authenticate(raw)
        if isinstance(authentic, Rejected):
            return authentic
        with self._room.lock:
            entered = self._room.enter(authentic)
            if isinstance(entered, Rejected):
                return entered
            if authentic.id not in self._own:
                self._own.add(authentic.id)
                if entered.entry is None:
                    self._outbox.append(entered)
                    self._room.lock.notify_all()
            return entered

    # ---- entries, as CometBFT asks about them ------------------------------------------------

    def check(self, entry: bytes) -> Rejected | None:
        """Whether CometBFT may keep an entry: all of it is authentic, and some of it may wait.

        An entry that only repeats what others carry is refused, so that nobody fills the mempool
        with the same transactions (NET-21).
        """
        envelopes = unbundle(entry)
        if isinstance(envelopes, Rejected):
            return envelopes
        transactions: list[Transaction] = []
        for raw in envelopes:
            authentic = self._application.authenticate(raw)
            if isinstance(authentic, Rejected):
                return authentic
            transactions.append(authentic)
        limit = self._block_gas()
        gas = sum(transaction.body.gas_limit for transaction in transactions)
        if len(transactions) > 1 and gas > limit:
            return Rejected(
                "NET-20", "too_much_gas", f"its gas limits are {gas}, those of a block {limit}"
            )
        digest = hashlib.sha256(entry).digest()
        refused: Rejected | None = None
        carries = False
        with self._room.lock:
            for transaction in transactions:
                entered = self._room.enter(transaction)
                if isinstance(entered, Rejected):
                    refused = refused or entered
                    continue
                if entered.entry is None:
                    entered.entry, entered.since = digest, time.monotonic()
                carries |= entered.entry == digest
            if carries:
                self._entries[digest] = tuple(transaction.id for transaction in transactions)
                return None
        return refused or Rejected("NET-21", "duplicate", "other entries carry all of it already")

    def recheck(self, entry: bytes) -> bool:
        """Whether something of an entry still waits, after the last block."""
        digest = hashlib.sha256(entry).digest()
        with self._room.lock:
            carried = self._entries.get(digest, ())
            waiting = any(
                submitted is not None and submitted.entry == digest
                for submitted in map(self._room.waiting.get, carried)
            )
            if not waiting:
                self._entries.pop(digest, None)
            return waiting

    def settle(
        self, height: int, results: Sequence[TransactionResult], entries: Iterable[bytes]
    ) -> None:
        """A block of these entries was committed. For whoever holds the room's lock."""
        room = self._room
        room.settle(height, results)
        for entry in entries:
            self._entries.pop(hashlib.sha256(entry).digest(), None)
        for result in results:
            submitted = room.waiting.get(result.transaction)
            if submitted is None or result.status != "inadmissible":
                continue
            # It came too early in its block, and may pass in a later one.
            if result.transaction in self._own:
                self._send_anew(submitted)
            else:
                room.remove(result.transaction)
        self._own.intersection_update(room.waiting)
        past = time.monotonic() - RESEND_SECONDS
        for identifier, submitted in room.waiting.items():
            overdue = submitted.entry is not None and submitted.since <= past
            if overdue and identifier in self._own:
                self._send_anew(submitted)

    def _send_anew(self, submitted: Submitted) -> None:
        submitted.entry = None
        self._outbox.append(submitted)

    def forgotten(self) -> None:
        """CometBFT ended, and starts anew with no entries: all that waits travels again.

        That of others too: their nodes may be no more, and what waits in no entry is in no block.
        """
        with self._room.lock:
            self._entries.clear()
            self._own.update(self._room.waiting)
            for submitted in self._room.waiting.values():
                if submitted.entry is not None:
                    self._send_anew(submitted)
            self._room.lock.notify_all()

    # ---- the outbox --------------------------------------------------------------------------

    def take(self, linger: float, timeout: float) -> list[Submitted]:
        """What the next entry is to carry: all that came within `linger` seconds of the first.

        Waits at most `timeout` seconds for that one; empty where nothing came. Holds no lock
        afterwards; `mark` follows.
        """
        lock = self._room.lock
        with lock:
            if not self._outbox:
                lock.wait_for(lambda: bool(self._outbox), timeout)
            end = time.monotonic() + linger
            while 0 < len(self._outbox) < MAX_BUNDLED:
                left = end - time.monotonic()
                if left <= 0:
                    break
                lock.wait(left)
            return self._fill()

    def _fill(self) -> list[Submitted]:
        taken: list[Submitted] = []
        room, gas = MAX_BUNDLE_BYTES - _OVERHEAD_BYTES, self._block_gas()
        while self._outbox and len(taken) < MAX_BUNDLED:
            submitted = self._outbox[0]
            if submitted.ended or submitted.entry is not None:
                self._outbox.popleft()  # committed, dropped, or in somebody else's entry
                continue
            room -= len(submitted.raw) + _EACH_BYTES
            gas -= submitted.gas
            if (room < 0 or gas < 0) and taken:
                break
            taken.append(self._outbox.popleft())
        return taken

    def _block_gas(self) -> int:
        """The gas limits that the transactions of the next block may have together."""
        return self._application.next_schedule().limits["block"].gas

    def mark(self, taken: Sequence[Submitted], entry: bytes) -> None:
        """Say which entry carries these, before it is handed over."""
        digest = hashlib.sha256(entry).digest()
        now = time.monotonic()
        with self._room.lock:
            for submitted in taken:
                submitted.entry, submitted.since = digest, now

    def put_back(self, taken: Sequence[Submitted]) -> None:
        """Put what no entry carries after all in front of the outbox again."""
        with self._room.lock:
            for submitted in reversed(taken):
                submitted.entry = None
                self._outbox.appendleft(submitted)
