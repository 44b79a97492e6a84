"""Network namespaces, one for each validator, and the wires between them.

    validator's namespace ── eth0 ═ wire ── left or right bridge ── … in the hub's namespace

All begin at the left bridge; who is moved to the right one is cut off from who stays, and whatever
was being sent is lost without a word. A namespace lives as long as the process that holds it, so
nothing is left behind.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from synnergy.engines.cometbft.tether import tethered

CLONE_NEWNET = 0x40000000
SUBNET = "10.77.0"


class NoNamespaces(Exception):
    """This machine lets nobody make network namespaces, or lacks the tools."""


def _tool(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise NoNamespaces(f"{name} is not installed")
    return found


@dataclass
class Namespace:
    """A namespace and the process that holds it."""

    process: subprocess.Popen[str]

    @property
    def path(self) -> str:
        return f"/proc/{self.process.pid}/ns/net"

    @property
    def prefix(self) -> list[str]:
        """What runs a command inside when put before it."""
        return [_tool("nsenter"), f"--net={self.path}"]

    def ip(self, *arguments: str) -> None:
        done = subprocess.run(
            [*self.prefix, _tool("ip"), *arguments], capture_output=True, text=True
        )
        if done.returncode != 0:
            raise NoNamespaces(f"ip {' '.join(arguments)}: {done.stderr.strip()}")

    @contextmanager
    def entered(self) -> Generator[None]:
        """Sockets that this thread makes meanwhile are of the namespace."""
        with ExitStack() as stack:
            own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            stack.callback(os.close, own)
            target = os.open(self.path, os.O_RDONLY)
            stack.callback(os.close, target)
            _set_namespace(target)
            stack.callback(_set_namespace, own)
            yield

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


def _set_namespace(descriptor: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(descriptor, CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def _open_namespace() -> Namespace:
    held = [_tool("unshare"), "--net", "--", "/bin/sh", "-c", "echo held; exec sleep 86400"]
    process = subprocess.Popen(
        tethered(held, signal.SIGKILL), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    if process.stdout.readline().strip() != "held":
        said = process.stderr.read().strip()
        process.wait()
        raise NoNamespaces(said)
    return Namespace(process)


@dataclass
class Wires:
    """`places[i]` has the address `address(i)`; all can reach each other until they are parted."""

    hub: Namespace
    places: list[Namespace] = field(default_factory=list[Namespace])

    @staticmethod
    def address(index: int) -> str:
        return f"{SUBNET}.{index + 1}"

    def part(self, apart: Iterable[int]) -> None:
        """Let these reach each other alone, and the rest each other alone."""
        right = set(apart)
        for index in range(len(self.places)):
            bridge = "right" if index in right else "left"
            self.hub.ip("link", "set", f"wire{index}", "master", bridge)

    def heal(self) -> None:
        self.part(())


@contextmanager
def open_wires(count: int) -> Generator[Wires]:
    """`count` namespaces on one bridge. Raises NoNamespaces."""
    with ExitStack() as stack:

        def opened() -> Namespace:
            namespace = _open_namespace()
            stack.callback(namespace.end)
            return namespace

        wires = Wires(opened())
        for bridge in ("left", "right"):
            wires.hub.ip("link", "add", bridge, "type", "bridge")
            wires.hub.ip("link", "set", bridge, "up")
        for index in range(count):
            place = opened()
            wires.places.append(place)
            wire, holder = f"wire{index}", str(place.process.pid)
            end = ("peer", "name", "eth0", "netns", holder)
            wires.hub.ip("link", "add", wire, "type", "veth", *end)
            wires.hub.ip("link", "set", wire, "up")
            place.ip("address", "add", f"{wires.address(index)}/24", "dev", "eth0")
            place.ip("link", "set", "eth0", "up")
            place.ip("link", "set", "lo", "up")
        wires.heal()
        yield wires
