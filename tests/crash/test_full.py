"""ENG-1, STATE-3: a full disk or map halts the node before it acknowledges what it can't keep.

The disk is one file's limit (RLIMIT_FSIZE), set on the running node: writing beyond it fails as it
does where nothing is left, and no other process of the machine notices.
"""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import httpx
import pytest

from synnergy.chain.genesis import chain_id_of
from synnergy.chain.replay import replay
from synnergy.client.api import Node
from synnergy.client.backup import back_up, restore
from synnergy.client.home import Home
from tests.crash.load import Acknowledged, Load, envelope
from tests.crash.test_kill import Running, check_kept, make_home, started
from tests.ledger.harness import OPERATOR, genesis

SMALL_MAP = 3 << 20
ROOM = 2 << 20


def fill(running: Running) -> list[Acknowledged]:
    """Send until the node takes no more; what it acknowledged."""
    load = Load(running.url)
    load.start()
    return load.finish()


def check_halted(running: Running, *words: str) -> None:
    """Nothing is taken, everything can be read, and it is said what to do."""
    _, raw = envelope(OPERATOR, 10_000, chain_id_of(genesis()))
    with httpx.Client(base_url=running.url, timeout=60, trust_env=False) as client:
        refused = client.post(
            "/v1/transactions", content=raw, headers={"Content-Type": "application/octet-stream"}
        )
        health = client.get("/health")
        assert client.get("/v1/chain").status_code == 200
        assert "synnergy_halted 1.0" in client.get("/metrics").text
    for answer in (refused, health):
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["rule"]) == (503, "halted", "ENG-1")
        for word in words:
            assert word in error["message"], error["message"]
    assert refused.headers["retry-after"]


def check_goes_on(home: Path, acknowledged: list[Acknowledged], *options: str) -> None:
    """Started again it has all that it acknowledged, and makes blocks as before."""
    assert len(acknowledged) > 3
    with started(home, *options) as running:
        with Node(running.url) as node:
            check_kept(node, acknowledged)
            before = node.health().height
            nonce = node.account(OPERATOR.address).nonce
            _, raw = envelope(OPERATOR, nonce, chain_id_of(genesis()))
            assert node.post_transaction(raw, 20).status == "ok"
            assert node.health().height == before + 1
        assert running.end(signal.SIGTERM) == 0
    assert replay(home / "data", genesis()).problem is None


def test_a_full_map(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    with started(home, "--map-size", str(SMALL_MAP)) as running:
        acknowledged = fill(running)
        check_halted(running, f"map of {SMALL_MAP} bytes", "--map-size")
        saved = back_up(Home(home), tmp_path / "saved")
        running.process.send_signal(signal.SIGTERM)
        _, errors = running.process.communicate(timeout=120)
        assert running.process.returncode == 0
    assert '"event": "halted"' in errors and "--map-size" in errors
    assert (home / "data" / "data.mdb").stat().st_size <= SMALL_MAP
    check_goes_on(home, acknowledged)
    # What could no longer be written could still be carried away.
    assert restore(tmp_path / "saved", Home(tmp_path / "elsewhere")).app_hash == saved.app_hash
    check_goes_on(tmp_path / "elsewhere", acknowledged)


@pytest.mark.parametrize("odd", [0, 1_234])
def test_a_full_disk(tmp_path: Path, odd: int) -> None:
    """Where the last byte falls makes a difference: a write may fail whole, or come back short."""
    home = make_home(tmp_path / "home")
    with started(home) as running:
        limit = (home / "data" / "data.mdb").stat().st_size + ROOM + odd
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
        acknowledged = fill(running)
        check_halted(running, "disk", "full", "make room")
        assert running.end(signal.SIGTERM) == 0
    check_goes_on(home, acknowledged)


def test_a_disk_that_is_still_full(tmp_path: Path) -> None:
    """Started before there is room, it reads what it has, and halts again at the next block."""
    home = make_home(tmp_path / "home")
    with started(home) as running:
        limit = (home / "data" / "data.mdb").stat().st_size + ROOM
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
        first = fill(running)
        assert running.end(signal.SIGTERM) == 0
    size = (home / "data" / "data.mdb").stat().st_size
    with started(home) as running:
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (size, size))
        with Node(running.url) as node:
            check_kept(node, first)
        second = fill(running)
        check_halted(running, "make room")
        assert running.end(signal.SIGKILL) == -signal.SIGKILL
    check_goes_on(home, first + second)
