from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

#: No node listens here: the discard port.
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of the test's own, no node, no passphrase, no terminal."""
    for name in [name for name in os.environ if name.startswith("SYNNERGY_")]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    monkeypatch.setenv("SYNNERGY_HOME", str(home))
    monkeypatch.setenv("SYNNERGY_NODE", NOWHERE)
    monkeypatch.chdir(tmp_path)
    with open(os.devnull) as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        yield home
