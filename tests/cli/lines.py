"""Lines to a node that a test cuts: a TCP proxy each, at an address of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


class Line:
    """Passes bytes on to the node at `target`, until it is cut."""

    def __init__(self, target: str) -> None:
        address = urlsplit(target)
        self._target = (address.hostname or "", address.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._nodes: set[socket.socket] = set()
        self._deaf = False
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.carried = 0
        #: The line is cut instead of carrying the answer to a request that contains these bytes.
        self.deaf_after: bytes | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Close the line; nobody answers at its address any more."""
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                node = socket.create_connection(self._target)
            except OSError:
                return
            self._open |= {client, node}
            self._nodes.add(node)
            for source, target in ((client, node), (node, client)):
                threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                self.carried += len(data)
                if target in self._nodes:
                    self._deaf |= self.deaf_after is not None and self.deaf_after in data
                elif self._deaf:
                    self.cut()  # The node has answered, and so has acted.
                    return
                target.sendall(data)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextmanager
def lines(target: str, count: int) -> Iterator[list[Line]]:
    made = [Line(target) for _ in range(count)]
    try:
        yield made
    finally:
        for line in made:
            line.cut()
