"""`synnergy events`, as whoever watches a ledger types it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.nodes import running_node
from tests.cli.support import run


def test_events(capsys: pytest.CaptureFixture[str], surroundings: Path, monkeypatch) -> None:
    assert run(capsys, "init", "--dev", "--json").code == 0
    with running_node(surroundings) as url:
        monkeypatch.setenv("SYNNERGY_NODE", url)
        assert run(capsys, "events", "--json").json == {"events": []}
        assert run(capsys, "events").out == ""
        sent = [
            run(capsys, "transfer", "consumer", 5, "--from", "operator", "--json").json
            for _ in range(3)
        ]
        found = run(capsys, "events", "--json").json["events"]
        assert [one["transaction"] for one in found] == [one["tx"] for one in sent]
        later = run(capsys, "events", "--from", sent[2]["height"], "--json").json["events"]
        assert later == found[2:]
        assert run(capsys, "events", "--name", "model.*", "--json").json == {"events": []}
        shown = run(capsys, "events", "--name", "ledger.*").out.splitlines()
        assert len(shown) == 3
        for text, one in zip(shown, found, strict=True):
            height, moment, name, *told = text.split(" ")
            assert (int(height), name) == (one["height"], one["name"])
            assert moment.endswith("Z") and "amount=5" in told
        beyond = run(capsys, "events", "--from", 1_000, "--json")
        assert beyond.code == 1 and beyond.json["error"]["code"] == "no_such_block"
        followed(url, capsys)
        watcher = watch(url)
        assert watcher.stdout is not None and watcher.stdout.readline()
    # The node has gone: what was watched is not over without a word.
    _, errors = watcher.communicate(timeout=60)
    assert watcher.returncode == 1 and "--from" in errors and len(errors.splitlines()) == 1


def watch(url: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "synnergy", "events", "--follow", "--json", "--node", url]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
        # A shell's background job passes on that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def followed(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON object a line, as it happens; Ctrl-C is how it ends."""
    watcher = watch(url)
    assert watcher.stdout is not None
    stored = [json.loads(watcher.stdout.readline()) for _ in range(3)]
    sent = run(capsys, "transfer", "consumer", 7, "--from", "operator", "--json").json
    live = json.loads(watcher.stdout.readline())
    assert live["transaction"] == sent["tx"] and live["attributes"]["amount"] == "7"
    assert [one["height"] for one in stored] == sorted(one["height"] for one in stored)
    watcher.send_signal(signal.SIGINT)
    out, errors = watcher.communicate(timeout=60)
    assert (watcher.returncode, out, errors) == (0, "", "")
