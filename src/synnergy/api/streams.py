"""Answers without an end: limited in number, ended with their client or the node (API-12).

A stream sends at its client's pace. While it waits, for the client or for a block, it holds a page
of events at most, and no snapshot of the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

from anyio import CapacityLimiter, create_task_group, to_thread
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from synnergy.api.errors import RETRY_AFTER, ApiError
from synnergy.rejected import Rejected

T = TypeVar("T")

#: Marks the scope of a request whose answer is a stream.
STREAMING = "synnergy.streaming"
#: Streams that may be open at a time, and threads that read for them.
MAX_STREAMS = 64
READERS = 2


class Streams:
    """The open streams of one server; made where its event loop runs."""

    def __init__(self) -> None:
        self._open = 0
        self._readers = CapacityLimiter(READERS)
        self.ending = asyncio.Event()

    def end(self) -> None:
        """Finish all streams, and every later one at once: the node is stopping."""
        self.ending.set()

    async def read(self, work: Callable[[], T]) -> T:
        """Run a short reading in one of the streams' own threads."""
        return await to_thread.run_sync(work, limiter=self._readers)

    @contextmanager
    def opened(self) -> Generator[None]:
        """Count a stream as open; ApiError 503 where too many are."""
        if self._open >= MAX_STREAMS:
            raise ApiError(
                503,
                Rejected("API-12", "busy", f"{MAX_STREAMS} streams are open; come back later"),
                {"Retry-After": str(RETRY_AFTER)},
            )
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1


class Stream(Response):
    """A response of parts that ends when they do, when the client leaves or the node stops."""

    def __init__(self, streams: Streams, parts: AsyncIterator[bytes], media_type: str) -> None:
        # Nothing on the way may keep what is meant to arrive at once.
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self.headers["content-type"] = f"{media_type}; charset=utf-8"
        self._streams = streams
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._streams.opened():
            scope[STREAMING] = True
            head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(head)
            async with create_task_group() as group:

                async def ends_with(event: Callable[[], Awaitable[object]]) -> None:
                    await event()
                    group.cancel_scope.cancel()

                async def left() -> None:
                    while (await receive())["type"] != "http.disconnect":
                        pass

                group.start_soon(ends_with, left)
                group.start_soon(ends_with, self._streams.ending.wait)
                async for part in self._parts:
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                group.cancel_scope.cancel()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
