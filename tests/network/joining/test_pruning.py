"""NET-34..36: how long CometBFT keeps blocks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from synnergy.engines.cometbft import pruning
from synnergy.engines.cometbft.files import Layout
from synnergy.engines.cometbft.pruning import LEAST_KEPT, Pruner, let_go, marker
from synnergy.opcodes import erasure
from tests.ledger.harness import DAY, REGULATOR
from tests.network.joining.support import Place


class Kept:
    """A node with a snapshot every ten blocks, and its pruner, whose archive is as told."""

    def __init__(self, home: Path, keep_blocks: int = 0) -> None:
        self.place = Place(home, interval=10)
        self.archived = 10**9
        self.layout = Layout(home)
        self.layout.root.mkdir()
        self.pruner = Pruner(
            self.place.ledger.application,
            self.layout,
            self.place.snapshots,
            lambda: self.archived,
            keep_blocks,
        )

    def blocks(self, count: int, advance: int = 1_000) -> None:
        for _ in range(count):
            self.place.block(advance=advance)
            self.place.written()

    def retention(self, period: int) -> None:
        ledger = self.place.ledger
        verb = erasure.SetRetention(period)
        self.place.block(ledger.envelope(REGULATOR, "REGULATION_SET_RETENTION", verb))

    def retain(self) -> int:
        """What CometBFT is told, looked at anew."""
        self.pruner._due = 0.0
        self.pruner.step()
        return self.pruner.retain


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    kept = Kept(tmp_path / "home")
    yield kept
    kept.place.close()


def test_without_a_time_and_without_a_number_all_is_kept(kept: Kept) -> None:
    kept.blocks(45)
    assert kept.retain() == 0


def test_a_number_of_blocks(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "home", keep_blocks=3)
    kept.blocks(45)
    # As far back as the oldest snapshot of three, 20, although only the last few are wanted.
    assert kept.retain() == 20 and 45 - LEAST_KEPT + 1 > 20
    kept.blocks(5)
    assert [one.height for one in kept.place.snapshots.kept] == [50, 40, 30]
    assert kept.retain() == 30
    assert not marker(kept.layout).exists()
    kept.place.close()


def test_blocks_go_when_the_time_of_their_payloads_is_over(kept: Kept) -> None:
    kept.blocks(5, advance=DAY // 10)
    kept.retention(DAY)
    kept.blocks(8, advance=DAY // 10)
    header = kept.place.ledger.application.header
    retain = kept.retain()
    blocks = kept.place.ledger.store
    assert header.height == 14 and kept.pruner._time(retain) >= header.time - DAY
    assert kept.pruner._time(retain - 1) < header.time - DAY
    assert blocks.get("blocks", (retain - 1).to_bytes(8, "big")) is not None  # ours stays
    # Each snapshot that is offered has the blocks after it.
    assert all(one.height >= retain for one in kept.place.snapshots.kept)
    assert kept.place.snapshots.kept
    assert marker(kept.layout).exists()


def test_never_past_the_newest_snapshot(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.retention(DAY)
    kept.blocks(10)
    monkeypatch.setattr(kept.place.snapshots, "committed", lambda: None)
    kept.blocks(5, advance=10 * DAY)
    assert kept.retain() == 10
    kept.place.snapshots.forget_below(11)
    kept.pruner.retain = 0
    assert kept.retain() == 0


def test_never_past_the_archive(kept: Kept) -> None:
    kept.retention(DAY)
    kept.blocks(12, advance=DAY)
    kept.archived = 4
    assert kept.retain() == 4
    kept.archived = 6
    assert kept.retain() == 6
    kept.archived = 2
    assert kept.retain() == 6  # it never goes back


def test_a_node_that_began_with_a_snapshot_looks_no_further_back(kept: Kept) -> None:
    kept.retention(DAY)
    kept.blocks(12, advance=DAY)
    with kept.place.ledger.store.write() as batch:
        for height in range(8):
            batch.delete("blocks", height.to_bytes(8, "big"))
        batch.put("meta", b"first_height", (8).to_bytes(8, "big"))
    assert kept.retain() >= 8


def test_looking_is_rare(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    monkeypatch.setattr(kept.pruner, "_first_kept", lambda _: looked.append(1) or 0)
    for _ in range(50):
        kept.pruner.step()
    assert len(looked) == 1


def test_each_node_rests_at_moments_of_its_own(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NET-36: twice in the time of payloads, where blocks were pruned since the last time."""
    now = 1_000_000 * DAY / 1000
    monkeypatch.setattr(pruning.time, "time", lambda: now)

    def moments(node_id: str) -> list[int]:
        """The hours of two days at which it rests."""
        nonlocal now
        start, found = now, list[int]()
        kept.pruner._run = None
        for hour in range(48):
            now = start + hour * 3_600 + 1
            if kept.pruner.rest_due(node_id):
                found.append(hour)
        now = start
        return found

    kept.blocks(1)
    assert moments("80" * 20) == []  # payloads are kept for ever
    kept.retention(DAY)
    assert moments("80" * 20) == []  # nothing was pruned
    marker(kept.layout).touch()
    assert moments("00" * 20) == [12, 24, 36]
    assert moments("80" * 20) == [6, 18, 30, 42]
    kept.retention(60_000)
    assert moments("00" * 20) == list(range(1, 48))
    kept.retention(365 * DAY)
    assert len(moments("00" * 20)) <= 1
    kept.retention(DAY)
    store = kept.layout.root / "data" / "blockstore.db"
    store.mkdir(parents=True)
    os.truncate(os.open(store / "000001.ldb", os.O_CREAT | os.O_RDWR), pruning.REWRITTEN_BYTES + 1)
    assert moments("80" * 20) == []


# ---- at the start ------------------------------------------------------------------------------


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_databases_are_rewritten_once_after_pruning(kept: Kept, tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    binary = program(tmp_path / "comet", f'echo "$@" >> {asked}')
    let_go(kept.layout, binary)
    assert not asked.exists()
    marker(kept.layout).touch()
    let_go(kept.layout, binary)
    let_go(kept.layout, binary)
    assert asked.read_text() == f"{pruning.COMPACT} --home {kept.layout.root}\n"


def test_a_failure_is_tried_again_at_the_next_start(
    kept: Kept, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    marker(kept.layout).touch()
    let_go(kept.layout, program(tmp_path / "comet", "echo broken; exit 3"))
    assert marker(kept.layout).exists()
    assert "pruned blocks not compacted" in caplog.text
    let_go(kept.layout, program(tmp_path / "comet", "exit 0"))
    assert not marker(kept.layout).exists()


def test_the_logs_old_parts_go_with_the_time(kept: Kept) -> None:
    folder = pruning.log_folder(kept.layout)
    folder.mkdir(parents=True)
    for name in ("wal.000", "wal.001", "wal"):
        (folder / name).write_bytes(b"?")
        os.utime(folder / name, (1_000, 1_000))
    kept.blocks(1)
    kept.retain()
    assert len(list(folder.iterdir())) == 3
    kept.retention(DAY)
    kept.retain()
    assert sorted(path.name for path in folder.iterdir()) == ["wal", "wal.001"]
