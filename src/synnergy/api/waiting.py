"""Work that takes a while, kept from starving other requests (API-4, API-8).

Each kind has threads of its own beside those that answer reads: transactions that are checked,
requests that wait for a block, and quotes, which compute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from synnergy.api.errors import busy
from synnergy.api.node import Engine, Waiting
from synnergy.engines.waiting import Committed
from synnergy.rejected import Rejected

T = TypeVar("T")

#: Threads for reading state, and for checking transactions.
READERS = 64
SUBMITTERS = 32
#: Requests that may wait for their block at a time; more wait in line for that.
WAITERS = 128
QUOTES = 2
MAX_QUEUED_QUOTES = 64
#: A request waits at most this long for its block, whatever it asks for.
MAX_WAIT_SECONDS = 60.0


class Lanes:
    """The threads of one server; made where its event loop runs."""

    def __init__(self) -> None:
        self._submitters = CapacityLimiter(SUBMITTERS)
        self._waiters = CapacityLimiter(WAITERS)
        self._quotes = CapacityLimiter(QUOTES)
        to_thread.current_default_thread_limiter().total_tokens = READERS

    async def submit(self, engine: Engine, raw: bytes) -> Waiting | Rejected:
        """Hand a transaction to the engine, which may be busy committing a block."""
        return await to_thread.run_sync(engine.submit, raw, limiter=self._submitters)

    async def wait(self, waiting: Waiting, seconds: float) -> Committed | None:
        """What became of a transaction, or None where nothing did within `seconds`."""
        if seconds == 0:
            return waiting.wait(0)
        seconds = min(seconds, MAX_WAIT_SECONDS)
        try:
            async with asyncio.timeout(seconds):
                return await to_thread.run_sync(
                    waiting.wait, seconds, limiter=self._waiters, abandon_on_cancel=True
                )
        except TimeoutError:
            return None

    async def quote(self, work: Callable[[], T]) -> T:
        """Run `work` beside at most one other quote; ApiError 429 where too many are in line."""
        if self._quotes.statistics().tasks_waiting >= MAX_QUEUED_QUOTES:
            raise busy("API-8", "too many quotes are in line; try again")
        return await to_thread.run_sync(work, limiter=self._quotes)
