"""Lines to whoever reads them, which keep nobody waiting."""

from __future__ import annotations

import os
import queue
import threading
from typing import Final

#: Lines that wait for their reader; those that come then are dropped.
MOST_WAITING: Final = 256
#: How long a reader may take for what still waits in the end, in seconds.
LAST_SECONDS: Final = 1.0


class Lines:
    """Writes to a file descriptor from a thread of its own, and drops what is not read in time.

    A program that reads the first line of many and no further fills the pipe, on which a write by
    the thread that looks after processes would wait for ever.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting: queue.Queue[bytes | None] = queue.Queue(MOST_WAITING)
        # Past the buffers of sys.stdout, whose lock the interpreter takes when it ends.
        self._thread = threading.Thread(target=self._run, name="lines", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        try:
            self._waiting.put_nowait(line.encode("utf-8", "backslashreplace"))
        except queue.Full:
            return

    def close(self) -> None:
        """Wait a moment for what was not read yet."""
        try:
            self._waiting.put(None, timeout=LAST_SECONDS)
        except queue.Full:
            return
        self._thread.join(LAST_SECONDS)

    def _run(self) -> None:
        while (line := self._waiting.get()) is not None:
            try:
                while line:
                    line = line[os.write(self._descriptor, line) :]
            except OSError:  # the reader is gone, and whoever writes goes on
                return
