"""A node in a process of its own, started as a user would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

READY_SECONDS = 120


@contextmanager
def running_node(home: Path) -> Iterator[str]:
    """The URL of a node that serves `home`; ended by SIGTERM, which must leave exit code 0."""
    command = [sys.executable, "-m", "synnergy", "start", "--listen", "127.0.0.1:0"]
    environment = os.environ | {"SYNNERGY_HOME": str(home)}
    with (home / "node.log").open("wb") as log:
        node = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log)
        watchdog = threading.Timer(READY_SECONDS, node.kill)
        watchdog.start()
        try:
            assert node.stdout is not None
            ready = node.stdout.readline().decode()
            urls = [word for word in ready.split() if word.startswith("http://")]
            assert urls, (home / "node.log").read_text()
            yield urls[0]
        finally:
            watchdog.cancel()
            node.send_signal(signal.SIGTERM)
            left, _ = node.communicate(timeout=60)
    assert node.returncode == 0
    assert left == b"", "one ready line, and nothing else"
