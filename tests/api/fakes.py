"""An engine that does what a test tells it to, over a real application."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Literal

from synnergy.engines.waiting import Committed
from synnergy.rejected import Rejected


@dataclass
class Promise:
    """An accepted transaction, whose end the test decides."""

    transaction: bytes
    committed: Committed | None = None
    dropped: Rejected | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def wait(self, timeout: float) -> Committed | None:
        self.done.wait(timeout)
        return self.committed


@dataclass
class FakeEngine:
    answer: Promise | Rejected
    name: str = "fake"
    failure: str | None = None
    mempool_size: int = 0
    catching_up: bool = False
    peers: int = 0
    pending: set[bytes] = field(default_factory=set)
    dropped: dict[bytes, Rejected] = field(default_factory=dict)
    submitted: list[bytes] = field(default_factory=list)

    def submit(self, raw: bytes) -> Promise | Rejected:
        self.submitted.append(raw)
        return self.answer

    def status(self, transaction: bytes) -> Literal["pending"] | Rejected | None:
        return "pending" if transaction in self.pending else self.dropped.get(transaction)
