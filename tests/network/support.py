"""What tests of networks share: waiting for conditions, ports that are free."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar

T = TypeVar("T")

#: Generous, for machines that do much else; a test that waits this long has failed.
PATIENCE = 90.0


def eventually(
    condition: Callable[[], T], what: str | Callable[[], str], within: float = PATIENCE
) -> T:
    """What `condition` answers once that is true of anything; the test fails after `within` s.

    `what` was waited for, or says so then.
    """
    deadline = time.monotonic() + within
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            told = what if isinstance(what, str) else what()
            raise AssertionError(f"not within {within:g} s: {told}")
        time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
