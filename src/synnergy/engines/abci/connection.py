"""One of CometBFT's connections: read on the server's thread, answered on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from google.protobuf.message import Message

from synnergy.engines.abci import abci_pb2 as abci
from synnergy.engines.abci.frames import FrameReader, MalformedMessage
from synnergy.engines.abci.handler import Handler
from synnergy.engines.abci.messages import (
    FLUSH_REQUEST,
    FLUSH_RESPONSE,
    MalformedQuery,
    decode_request,
    encode_response,
)

#: Bytes of requests that may wait for the connection's thread; beyond it none are read (ABCI-5).
MAX_WAITING_BYTES = 4 * 1024 * 1024
#: Answers that are gathered before they are sent, in bytes.
SENT_TOGETHER_BYTES = 1024 * 1024
#: The most CheckTx in one call, which bounds how long the first waits for the last (ABCI-3).
CHECKED_TOGETHER = 256


class Connection(asyncio.Protocol):
    """Answers each request of one connection, in order (ABCI-2).

    `data_received` and all else that asyncio calls run on the server's thread, `_work` and what it
    calls on the connection's own. `closed` is set once, on the server's thread.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        handler: Handler,
        reader: FrameReader,
        opened: Callable[[Connection], None],
        predecessors: Callable[[Connection], Sequence[Connection]],
        fault: Callable[[Connection, BaseException], None],
    ) -> None:
        self.closed = False
        self.worker = threading.Thread(target=self._work, name="abci-connection", daemon=True)
        self._loop = loop
        self._handler = handler
        self._reader = reader
        self._opened = opened
        self._predecessors = predecessors
        self._fault = fault
        self._transport: asyncio.Transport
        self._before: Sequence[Connection] = ()
        self._inbox: list[bytes] = []
        self._inbox_bytes = 0
        self._arrived = threading.Condition()
        self._reading = True
        self._drained = threading.Event()
        self._drained.set()
        self._unanswered = 0

    # -- on the server's thread --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._opened(self)

    def data_received(self, data: bytes) -> None:
        try:
            frames = self._reader.feed(data)
        except MalformedMessage as error:
            self._fault(self, error)
            return
        if not frames:
            return
        if not self._unanswered and all(frame == FLUSH_REQUEST for frame in frames):
            self._transport.write(FLUSH_RESPONSE * len(frames))
            return
        if self.worker.ident is None:
            self._before = self._predecessors(self)
            self.worker.start()
        self._unanswered += len(frames)
        with self._arrived:
            self._inbox += frames
            self._inbox_bytes += len(data)
            self._arrived.notify()
        self._read_or_pause()

    def pause_writing(self) -> None:
        """asyncio's, when CometBFT doesn't read its answers."""
        self._drained.clear()
        self._read_or_pause()

    def resume_writing(self) -> None:
        self._drained.set()
        self._read_or_pause()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def write(self, answers: bytes, count: int) -> None:
        """Send `count` answers."""
        self._unanswered -= count
        if not self.closed:
            self._transport.write(answers)

    def refuse(self, error: BaseException) -> None:
        """Answer with an exception, which stops CometBFT, and close."""
        what = abci.ResponseException(error=f"{type(error).__name__}: {error}")
        if not self.closed:
            self._transport.write(encode_response("exception", what))
            self._transport.close()
        self._end()

    def abort(self) -> None:
        """Close without another answer; what the connection's thread is at still ends."""
        self._transport.abort()
        self._end()

    def _end(self) -> None:
        self.closed = True
        self._drained.set()
        with self._arrived:
            self._arrived.notify()

    def _read_or_pause(self) -> None:
        with self._arrived:
            wanted = self._inbox_bytes <= MAX_WAITING_BYTES and self._drained.is_set()
        if wanted and not self._reading and not self.closed:
            self._transport.resume_reading()
        elif not wanted and self._reading:
            self._transport.pause_reading()
        self._reading = wanted

    # -- on the connection's thread --

    def _work(self) -> None:
        try:
            for connection in self._before:  # ABCI-6
                connection.worker.join()
            while frames := self._take():
                self._answer(frames)
        except BaseException as error:
            self._loop.call_soon_threadsafe(self._fault, self, error)

    def _take(self) -> list[bytes]:
        """All that waits, as soon as something does; nothing once the connection is closed."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._inbox or self.closed)
            if self.closed:
                return []
            frames, self._inbox = self._inbox, []
            much = self._inbox_bytes > MAX_WAITING_BYTES
            self._inbox_bytes = 0
        if much:
            self._loop.call_soon_threadsafe(self._read_or_pause)
        return frames

    def _answer(self, frames: list[bytes]) -> None:
        answers: list[bytes] = []
        size = 0
        try:
            for answer in self._answers(frames):
                if self.closed:
                    return
                answers.append(answer)
                size += len(answer)
                if size >= SENT_TOGETHER_BYTES:
                    self._send(answers)
                    answers, size = [], 0
        finally:
            self._send(answers)

    def _send(self, answers: list[bytes]) -> None:
        if not answers:
            return
        self._drained.wait()
        self._loop.call_soon_threadsafe(self.write, b"".join(answers), len(answers))

    def _answers(self, frames: list[bytes]) -> Iterator[bytes]:
        """A frame for each of `frames`. CheckTx are held until something else comes, or many."""
        held: list[bytes | abci.RequestCheckTx] = []
        for frame in frames:
            if frame == FLUSH_REQUEST:
                held.append(FLUSH_RESPONSE)
                continue
            try:
                name, request = decode_request(frame)
            except MalformedQuery as error:
                refused = abci.ResponseQuery(code=1, codespace="abci", log=str(error))
                held.append(encode_response("query", refused))
                continue
            if name == "check_tx":
                held.append(request)
                if len(held) < CHECKED_TOGETHER:
                    continue
            yield from self._checked(held)
            held = []
            if name != "check_tx":
                yield encode_response(name, self._response(name, request))
        yield from self._checked(held)

    def _response(self, name: str, request: Any) -> Message:
        if name == "echo":
            return abci.ResponseEcho(message=request.message)
        if name == "flush":
            return abci.ResponseFlush()
        return getattr(self._handler, name)(request)

    def _checked(self, held: Sequence[bytes | abci.RequestCheckTx]) -> Iterator[bytes]:
        requests = [item for item in held if not isinstance(item, bytes)]
        responses = self._handler.check_txs(requests) if requests else []
        if len(responses) != len(requests):
            raise RuntimeError(f"{len(requests)} CheckTx had {len(responses)} answers")
        following = iter(responses)
        for item in held:
            if isinstance(item, bytes):
                yield item
            else:
                yield encode_response("check_tx", next(following))
