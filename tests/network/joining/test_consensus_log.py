"""NET-35, NET-36: CometBFT's log forgets decided blocks, and still says what a restart needs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synnergy.engines.cometbft.consensus_log import forget_older, last_end_height, rotated, trim
from tests.network.support import eventually
from tests.network.testnet.conftest import Single, height, make_single

#: Of `TimedWALMessage`: a time, and as a message the end of height 300, or a timeout.
TIME = bytes.fromhex("0a0608d2b4a0ba06")
END = TIME + bytes.fromhex("1205") + bytes.fromhex("220308ac02")
OTHER = TIME + bytes.fromhex("1204") + bytes.fromhex("1a020801")


def record(message: bytes) -> bytes:
    return bytes(4) + len(message).to_bytes(4, "big") + message


messages = st.one_of(
    st.just(END),
    st.just(OTHER),
    st.binary(max_size=300).map(lambda block: TIME + b"\x12\x7f\x12" + block),
)


def write(folder: Path, parts: list[bytes]) -> None:
    folder.mkdir()
    for number, content in enumerate(parts[:-1]):
        (folder / f"wal.{number:03}").write_bytes(content)
    (folder / "wal").write_bytes(parts[-1])


def whole(folder: Path) -> bytes:
    return b"".join(part.read_bytes() for part in (*rotated(folder), folder / "wal"))


@given(st.lists(st.lists(messages, max_size=6), min_size=1, max_size=4), st.binary(max_size=9))
def test_what_follows_the_last_decided_height_stays(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[bytes]], torn: bytes
) -> None:
    folder = tmp_path_factory.mktemp("log") / "cs.wal"
    contents = [b"".join(record(message) for message in part) for part in parts]
    contents[-1] += torn[:7]  # a record that a crash cut off
    write(folder, contents)
    before = whole(folder)
    marker = before.rfind(record(END))
    removed = trim(folder)
    after = whole(folder)
    if marker < 0:
        assert removed == 0 and after == before
        return
    assert after == before[marker:] and removed == marker
    assert [path.name for path in folder.iterdir()] == ["wal"]
    assert trim(folder) == 0 and whole(folder) == after


@given(st.binary(max_size=400))
def test_no_bytes_break_the_search(content: bytes) -> None:
    found = last_end_height(content)
    assert found is None or 0 <= found < len(content)


def test_damage_keeps_more_and_never_less(tmp_path: Path) -> None:
    """What stands behind a record that cannot be read is not looked at, and all of it stays."""
    folder = tmp_path / "cs.wal"
    broken = bytes(4) + (2**31).to_bytes(4, "big") + b"?"
    content = record(OTHER) + record(END) + record(OTHER) + broken + record(END)
    write(folder, [content])
    trim(folder)
    assert whole(folder) == content[len(record(OTHER)) :]


def test_a_log_that_is_not_there(tmp_path: Path) -> None:
    assert trim(tmp_path / "cs.wal") == 0 and forget_older(tmp_path / "cs.wal", 1e12) == 0


def test_killed_between_its_two_steps_the_log_says_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cs.wal"
    write(folder, [record(OTHER) + record(END) + record(OTHER), record(OTHER)])
    monkeypatch.setattr(Path, "unlink", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        trim(folder)
    monkeypatch.undo()
    # CometBFT looks for the marker from the newest part on backwards, and reads on from there.
    assert (folder / "wal").read_bytes() == record(END) + record(OTHER) * 2
    assert trim(folder) > 0 and whole(folder) == record(END) + record(OTHER) * 2


def test_old_parts_go_but_for_the_newest(tmp_path: Path) -> None:
    folder = tmp_path / "cs.wal"
    write(folder, [b"1", b"22", b"333", b"4"])
    for name, moment in (("wal.000", 100), ("wal.001", 300), ("wal.002", 100)):
        os.utime(folder / name, (moment, moment))
    assert forget_older(folder, 200) == 1
    assert [path.name for path in rotated(folder)] == ["wal.001", "wal.002"]
    assert forget_older(folder, 400) == 2
    assert [path.name for path in rotated(folder)] == ["wal.002"]
    assert (folder / "wal").exists()


def test_cometbft_goes_on_with_what_is_left(tmp_path: Path, cometbft: Path) -> None:
    """Its own log, whose records are read here as it writes them."""
    single: Single = make_single(tmp_path / "home", cometbft)
    folder = single.layout.root / "data" / "cs.wal"
    for wanted in (3, 6):
        process = single.process()
        process.start()
        with single.rpc() as rpc:
            while eventually(lambda: max(height(rpc), 0), "an answer") < wanted:
                before = height(rpc)
                rpc.broadcast_tx_sync(b"at=%d" % before)
                eventually(lambda: height(rpc) > before, "the next block")  # noqa: B023
        process.stop()
        size = len(whole(folder))
        assert trim(folder) > size // 2
        assert last_end_height(whole(folder)) == 0
    said = " ".join(line.text for line in single.lines)
    assert "proceeding to start state anyway" not in said and "corrupted" not in said
