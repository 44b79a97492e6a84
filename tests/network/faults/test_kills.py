"""NET-70, CHAIN-5: processes that end without a word lose nothing, and the others go on."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from tests.crash.driver import POINTS, STATUS
from tests.network.harness import Network
from tests.network.support import eventually
from tests.network.validators import Validator

#: How many times each of the four validators ends; they take the points of POINTS in turn.
CRASHES = int(os.environ.get("NETWORK_CRASHES", "2"))


@pytest.mark.parametrize("index", range(4))
def test_processes_killed(network: Network, index: int) -> None:
    """A validator's application, whose CometBFT ends with it; then, before that one is back,
    another's CometBFT, whose application ends too, and says why."""
    first, others = network.apart(index)
    second = others[0]
    comet = first.comet
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    eventually(lambda: not Path(f"/proc/{comet}").exists(), "its CometBFT ends with it")
    network.go_on(others)
    first.start()
    os.kill(second.comet, signal.SIGKILL)
    assert second.process is not None
    assert second.process.wait(60) == 1
    assert "CometBFT ended by signal 9" in second.said()
    second.start()
    network.reach(2 + network.go_on(others[1:]))


def test_all_killed_at_once(network: Network) -> None:
    """What anyone acknowledged before is there afterwards, and the chain goes on from it."""
    assert network.load is not None
    for validator in network.validators:
        assert validator.process is not None
        validator.process.kill()
    for validator in network.validators:
        assert validator.process is not None
        assert validator.process.wait(60) == -signal.SIGKILL
    before = max(validator.kept_height() for validator in network.validators)
    known = len(network.load.acknowledged)
    network.start()
    network.acknowledge()
    assert len(network.load.acknowledged) > known
    assert network.look_over() > before


def test_two_killed_and_one_back(network: Network) -> None:
    """Half of the power decides nothing; three quarters do."""
    first, second, *others = network.validators
    first.end(signal.SIGKILL)
    second.end(signal.SIGKILL)
    network.stand_still(others)
    first.start()
    network.go_on([first, *others])
    second.start()
    network.go_on()


def test_a_silent_validator(network: Network) -> None:
    """Frozen it says nothing and closes nothing; thawed it catches up."""
    victim, others = network.apart(1)
    victim.freeze()
    try:
        network.go_on(others, blocks=4)
        network.acknowledge()
    finally:
        victim.thaw()
    network.reach(network.go_on(others), [victim])


def test_every_crash_point(network: Network) -> None:
    """Each validator ends at points of a block, as a power cut would, all while the others do the
    same: most of the time some of them are away, and often too many for a block."""
    failures: list[BaseException] = []

    def besiege(validator: Validator) -> None:
        points = list(POINTS)
        begin = validator.index * CRASHES
        try:
            for turn in range(begin, begin + CRASHES):
                crash(validator, points[turn % len(points)])
            validator.start()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=besiege, args=[each]) for each in network.validators]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    network.start()


def crash(validator: Validator, point: str) -> None:
    """Let a validator end at a point of one of the next blocks."""
    if validator.running:
        assert validator.end() == 0
    validator.start("crash", point, str(validator.kept_height() + 2))
    assert validator.process is not None
    assert validator.process.wait(120) == STATUS, (validator.index, point, validator.said())
    height = validator.struck
    assert validator.kept_height() == height - 1 + POINTS[point], point
