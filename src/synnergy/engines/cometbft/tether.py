"""A child process that does not outlive the one that started it.

On Linux the child passes through this file, run as a script, which asks the kernel for a signal
when its parent ends, however it ends, and then becomes the program wanted. The kernel means the
thread that started the child: it has to live as long as the child may. Elsewhere a child is
started as it is.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def tethered(command: Sequence[str], number: signal.Signals) -> list[str]:
    """The command line that starts `command` so that it gets `number` when this process ends."""
    if sys.platform != "linux":
        return list(command)
    interpreter = [sys.executable, "-I", "-S", __file__]
    return [*interpreter, str(os.getpid()), str(int(number)), *command]


def _become(parent: int, number: int, command: list[str]) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number) != 0:
        sys.exit(f"the kernel refuses a signal at the parent's end: {ctypes.get_errno()}")
    # A parent that ended before the call sends no signal.
    if os.getppid() != parent:
        sys.exit(0)
    try:
        os.execv(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]} cannot be run: {error.strerror}")


if __name__ == "__main__":
    _become(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
