"""CLIENT-18, CLIENT-20: backed up under load, restored elsewhere, and going on from there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from synnergy.chain.genesis import chain_id_of
from synnergy.chain.replay import replay
from synnergy.client.api import Node
from tests.crash.load import Acknowledged, Load, envelope
from tests.crash.test_kill import check_kept, make_home, started
from tests.ledger.harness import OPERATOR, genesis


def synnergy(*words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "synnergy", "--json", *(str(word) for word in words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ok(*words: object) -> dict[str, Any]:
    process = synnergy(*words)
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return json.loads(out)


def until_acknowledged(load: Load, count: int) -> list[Acknowledged]:
    """What had been acknowledged when it was at least so much."""
    end = time.monotonic() + 120
    while True:
        known = [one for client in load.clients for one in list(client.acknowledged)]
        if len(known) >= count:
            return known
        assert time.monotonic() < end, "the node acknowledges nothing"
        time.sleep(0.02)


def go_on(home: Path, height: int, app_hash: str, acknowledged: list[Acknowledged]) -> None:
    """A node of the restored home stands where the backup was made, and goes on from there."""
    with started(home) as running:
        with Node(running.url) as node:
            health = node.health()
            assert (health.height, health.app_hash) == (height, app_hash)
            check_kept(node, acknowledged)
            nonce = node.account(OPERATOR.address).nonce
            _, raw = envelope(OPERATOR, nonce, chain_id_of(genesis()))
            assert node.post_transaction(raw, 20).height == height + 1
        assert running.end(signal.SIGTERM) == 0
    found = replay(home / "data", genesis())
    assert (found.problem, found.height) == (None, height + 1)


def test_backups_of_a_node_under_load(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    made: list[tuple[dict[str, Any], list[Acknowledged]]] = []
    with started(home) as running:
        load = Load(running.url)
        load.start()
        for number in range(3):
            before = until_acknowledged(load, 20 * (number + 1))
            made.append((ok("--home", home, "backup", "--out", tmp_path / f"{number}"), before))
        until_acknowledged(load, 80)
        with Node(running.url) as node:
            for fields, _ in made:
                assert node.block(fields["height"]).app_hash == fields["app_hash"]
        assert running.end(signal.SIGKILL) == -signal.SIGKILL
    load.finish()
    assert made[0][0]["height"] < made[1][0]["height"] < made[2][0]["height"]
    for number, (fields, before) in enumerate(made):
        new = tmp_path / f"restored{number}"
        back = ok("--home", new, "restore", fields["file"])
        same = ("height", "app_hash", "chain_id")
        assert [back[name] for name in same] == [fields[name] for name in same]
        assert os.stat(fields["file"]).st_size == fields["bytes"]
        go_on(new, fields["height"], fields["app_hash"], before)


@pytest.mark.parametrize("after", [0.2, 0.5])
def test_a_backup_that_is_killed_is_no_backup(tmp_path: Path, after: float) -> None:
    """Killed at some moment it is there whole or not at all, and the node never notices."""
    home = make_home(tmp_path / "home")
    with started(home) as running:
        load = Load(running.url)
        load.start()
        until_acknowledged(load, 20)
        process = synnergy("--home", home, "backup", "--out", tmp_path / "killed")
        time.sleep(after)
        process.kill()
        process.communicate(timeout=60)
        seen = len(until_acknowledged(load, 1))
        until_acknowledged(load, seen + 20)
        fields = ok("--home", home, "backup", "--out", tmp_path / "whole")
        assert running.end(signal.SIGTERM) == 0
    load.finish()
    if (tmp_path / "killed").exists():
        assert ok("--home", tmp_path / "one", "restore", tmp_path / "killed")["height"]
    back = ok("--home", tmp_path / "two", "restore", tmp_path / "whole")
    assert back["app_hash"] == fields["app_hash"]


def test_a_node_that_is_stopped(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    with started(home) as running:
        load = Load(running.url)
        load.start()
        until_acknowledged(load, 10)
        assert running.end(signal.SIGTERM) == 0
    everything = load.finish()
    fields = ok("--home", home, "backup", "--out", tmp_path / "b")
    back = ok("--home", tmp_path / "new", "restore", tmp_path / "b")
    go_on(tmp_path / "new", back["height"], fields["app_hash"], everything)
