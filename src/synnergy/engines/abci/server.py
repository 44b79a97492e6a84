"""The ABCI 2.0 server: CometBFT's four connections over a Unix socket.

    CometBFT ── frames ── Connection (server's thread) ── requests ── Handler (connection's thread)

One thread reads and writes for all connections; each has a thread of its own in which the handler
is called, so that a query or a snapshot waits for no block, and no block for them (ABCI-2).
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from synnergy.engines.abci.connection import Connection
from synnergy.engines.abci.frames import MAX_MESSAGE_BYTES, FrameReader
from synnergy.engines.abci.handler import Handler

#: The longest path of a Unix socket on Linux, in bytes; 104 with its end on other systems.
MAX_PATH_BYTES = 107
#: Connections that may wait to be accepted; CometBFT opens four.
BACKLOG = 16


class SocketInUse(RuntimeError):
    """The socket's path is taken by something that must not be removed."""


class AbciServer:
    """Serves `handler` at the Unix socket `path`.

    `on_fault` is called once, on a thread of its own, with what went wrong: an exception of the
    handler, or a request that cannot be understood. By then the connection had an exception for
    an answer, and no other is answered any more (ABCI-4).
    """

    def __init__(
        self,
        path: Path,
        handler: Handler,
        on_fault: Callable[[BaseException], None],
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        self.path = path
        self._handler = handler
        self._on_fault = on_fault
        self._max_message_bytes = max_message_bytes
        self._connections: list[Connection] = []
        self._faulted = False
        self._ended = False
        self._listener: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop
        self._thread: threading.Thread
        self._opening: set[asyncio.Task[Any]] = set()
        self._stopping = threading.Lock()

    def start(self) -> None:
        """Listen. SocketInUse, ValueError (the path is too long) or OSError where that fails."""
        self._listener = _listen(self.path)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="abci", daemon=True)
        self._loop.add_reader(self._listener, self._accept, self._listener)
        self._thread.start()

    def stop(self) -> None:
        """Close all connections, wait for the calls of the handler that have begun, and end.

        Nothing calls the handler afterwards. May be called more than once, from any thread but
        those that call the handler; so from `on_fault` too.
        """
        with self._stopping:
            if self._listener is None or self._loop.is_closed():
                return
            asyncio.run_coroutine_threadsafe(self._shut_down(), self._loop).result()
            for connection in self._connections:
                if connection.worker.ident is not None:
                    connection.worker.join()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    # -- on the server's thread --

    def _accept(self, listener: socket.socket) -> None:
        try:
            accepted, _ = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:  # such as no more file descriptors
            self._tell(error)
            return
        accepted.setblocking(False)
        opening = self._loop.create_task(
            self._loop.connect_accepted_socket(self._connection, accepted)
        )
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    def _connection(self) -> Connection:
        reader = FrameReader(self._max_message_bytes)
        return Connection(
            self._loop, self._handler, reader, self._opened, self._predecessors, self._fault
        )

    def _opened(self, connection: Connection) -> None:
        self._connections = [known for known in self._connections if _lives(known)]
        self._connections.append(connection)
        if self._ended:
            connection.abort()

    def _predecessors(self, connection: Connection) -> Sequence[Connection]:
        """Closed connections whose last call is still at work (ABCI-6).

        Asked when the first request of a new one arrives: by then the end of those of a CometBFT
        that went before has been read.
        """
        return [
            known
            for known in self._connections
            if known is not connection and known.closed and known.worker.is_alive()
        ]

    def _fault(self, connection: Connection, error: BaseException) -> None:
        if not self._ended:
            connection.refuse(error)
        self._tell(error)

    def _tell(self, error: BaseException) -> None:
        self._end()
        if not self._faulted:
            self._faulted = True
            threading.Thread(
                target=self._on_fault, args=(error,), name="abci-fault", daemon=True
            ).start()

    def _end(self) -> None:
        """Let nobody in, and answer nobody."""
        if self._ended:
            return
        self._ended = True
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self.path.unlink(missing_ok=True)  # while it listens, nobody else's is there
            self._listener.close()
        for connection in self._connections:
            if not connection.closed:
                connection.abort()

    async def _shut_down(self) -> None:
        self._end()
        await asyncio.gather(*self._opening, return_exceptions=True)
        await asyncio.sleep(0)  # in which asyncio closes what was aborted


def _lives(connection: Connection) -> bool:
    return not connection.closed or connection.worker.is_alive()


def _listen(path: Path) -> socket.socket:
    """A socket that only its owner may connect to, in place of one that nobody serves (ABCI-8)."""
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise ValueError(
            f"{path} is longer than the {MAX_PATH_BYTES} bytes that the path of a Unix socket may"
            " have; choose a shorter home, or a link to it"
        )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _remove_stale(path)
    bound = socket.socket(socket.AF_UNIX)
    bound.setblocking(False)
    try:
        bound.bind(os.fspath(path))
        path.chmod(0o600)  # before it listens, so that nobody else was ever let in
        bound.listen(BACKLOG)
    except BaseException:
        bound.close()
        raise
    return bound


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise SocketInUse(f"{path} is no socket, and is left alone; move it away")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise SocketInUse(f"{path} is served already: another node of this home is running")
