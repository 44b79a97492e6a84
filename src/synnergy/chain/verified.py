"""Transactions whose signatures were verified, so that none is verified twice.

A transaction comes by three times: when it arrives, when its block is made, when that is executed.
What is not remembered is always verified (TX-5).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor

from synnergy.identity.authenticate import Transaction, authenticate
from synnergy.rejected import Rejected

#: Bytes of transactions that are remembered; more than may wait for a block need not be.
REMEMBERED_BYTES = 64 * 1024 * 1024
#: Transactions that a thread of the pool takes at a time.
_SLICE = 32
#: Transactions that are verified before the first of them is looked at.
AT_A_TIME = 1_024


class Authenticator:
    """Decodes and verifies envelopes for one chain, remembering those that verified.

    May be called from any thread. `pool` verifies what `ahead` is given; the signature library
    lets other threads run meanwhile.
    """

    def __init__(self, chain_id: str, pool: Executor | None = None) -> None:
        self._chain_id = chain_id
        self._pool = pool
        self.remembered: OrderedDict[bytes, Transaction] = OrderedDict()
        self.remembered_bytes = 0
        self._lock = threading.Lock()

    def __call__(self, raw: bytes) -> Transaction | Rejected:
        """The authenticated transaction that `raw` encodes, or why it is none."""
        known = self.remembered.get(raw)
        if known is not None:
            return known
        transaction = authenticate(raw, self._chain_id)
        if isinstance(transaction, Transaction):
            self._remember(transaction)
        return transaction

    def each(self, raws: Sequence[bytes]) -> Iterator[Transaction | Rejected]:
        """All of them in order, as `ahead` prepares them: a part at a time, so that whoever stops
        at the first that is none has not paid for millions that a stranger put behind it."""
        for start in range(0, len(raws), AT_A_TIME):
            part = raws[start : start + AT_A_TIME]
            self.ahead(part)
            for raw in part:
                yield self(raw)

    def ahead(self, raws: Sequence[bytes]) -> None:
        """Verify those that are about to be asked for, on all threads of the pool."""
        if self._pool is None:
            return
        missing = [raw for raw in raws if raw not in self.remembered]
        slices = [missing[at : at + _SLICE] for at in range(0, len(missing), _SLICE)]
        if len(slices) > 1:
            for _ in self._pool.map(self._authenticate_each, slices):
                pass

    def _authenticate_each(self, raws: Sequence[bytes]) -> None:
        for raw in raws:
            self(raw)

    def _remember(self, transaction: Transaction) -> None:
        with self._lock:
            if transaction.raw not in self.remembered:
                self.remembered[transaction.raw] = transaction
                self.remembered_bytes += len(transaction.raw)
            while self.remembered_bytes > REMEMBERED_BYTES:
                _, oldest = self.remembered.popitem(last=False)
                self.remembered_bytes -= len(oldest.raw)
