"""ENG-1, NET-73: a validator whose disk is full acknowledges nothing it can't keep, and halts."""

from __future__ import annotations

import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import NOT_TESTED
from tests.network.harness import Network
from tests.network.support import eventually
from tests.network.validators import Validator

#: Left for the store's own file, in bytes: some blocks' worth.
ROOM = 256 << 10
DISK = 256 << 20


def test_a_store_that_cannot_grow(network: Network) -> None:
    """The application's files alone are limited: CometBFT goes on until it is ended."""
    victim, others = network.apart(0)
    assert victim.process is not None
    comet = victim.comet
    limit = (victim.home / "data" / "data.mdb").stat().st_size + ROOM
    resource.prlimit(victim.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
    failure = eventually(victim.failure, lambda: f"it halts; {network.story()}")
    assert "full" in failure and "make room" in failure
    eventually(lambda: not Path(f"/proc/{comet}").exists(), "its CometBFT is ended")
    network.go_on(others)
    network.acknowledge()
    height = victim.kept_height()
    assert victim.end() == 0
    victim.start()
    network.reach(network.go_on(others), [victim])
    assert victim.kept_height() > height


@contextmanager
def small_disk(path: Path) -> Iterator[None]:
    """What is in a folder, on a disk of its own of DISK bytes; back in the folder afterwards."""
    beside = path.with_name(f"{path.name}.beside")
    path.rename(beside)
    path.mkdir(mode=0o700)
    options = f"size={DISK},mode=0700"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], capture_output=True, text=True
    )
    try:
        if mounted.returncode != 0:
            pytest.skip(f"{NOT_TESTED}: no disk can be mounted here: {mounted.stderr.strip()}")
        shutil.copytree(beside, path, dirs_exist_ok=True)
        shutil.rmtree(beside)
        try:
            yield
        finally:
            # A socket cannot be copied, and is made anew.
            shutil.copytree(path, beside, ignore=shutil.ignore_patterns("*.sock"))
            subprocess.run(["umount", "--lazy", str(path)], check=True)
    finally:
        path.rmdir()
        beside.rename(path)


def fill(ballast: Path) -> None:
    """Take all that is left of a disk."""
    piece = bytes(1 << 16)
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(piece)


def halted_or_ended(victim: Validator) -> bool:
    return not victim.running or bool(victim.failure())


def test_a_disk_that_is_full(network: Network) -> None:
    """Store, CometBFT's blocks and its log of votes share it: whichever fails first says so."""
    victim, others = network.apart(1)
    assert victim.end() == 0
    with small_disk(victim.home):
        victim.start()
        network.reach(network.go_on(others), [victim])
        ballast = victim.home / "ballast"
        fill(ballast)
        eventually(lambda: halted_or_ended(victim), lambda: f"it halts; {network.story()}")
        said = victim.failure() or victim.said()
        assert "no space left on device" in said.lower() or "make room" in said
        network.go_on(others)
        network.acknowledge()
        if victim.running:
            assert victim.end() == 0
        ballast.unlink()
        victim.start()
        network.reach(network.go_on(others), [victim])
        network.look_over()
        assert victim.end() == 0
