"""CometBFT's process: found, started, heard, ended, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from synnergy.engines.cometbft.files import BadFiles, Layout
from synnergy.engines.cometbft.process import (
    MAX_COMPLAINTS,
    REPEAT_SECONDS,
    VERSION,
    LogLine,
    NoCometBFT,
    Repeats,
    end_orphan,
    find_cometbft,
    parse_line,
)
from tests.network.support import eventually
from tests.network.testnet.conftest import Single, height

REPEAT = int(REPEAT_SECONDS)


def fake(path: Path, version: str = VERSION) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(0o755)
    return path


# ---- finding ----------------------------------------------------------------------------------


def test_the_one_beside_the_interpreter_comes_first(tmp_path: Path) -> None:
    beside, named, on_path = (
        fake(tmp_path / name / "cometbft") for name in ("beside", "named", "path")
    )
    environment = {"SYNNERGY_COMETBFT": str(named), "PATH": f"{on_path.parent}:/usr/bin:/bin"}
    assert find_cometbft(environment, beside.parent) == beside
    beside.unlink()
    assert find_cometbft(environment, beside.parent) == named
    del environment["SYNNERGY_COMETBFT"]
    assert find_cometbft(environment, beside.parent) == on_path


def test_one_of_another_version_is_passed_over_and_told(tmp_path: Path) -> None:
    old = fake(tmp_path / "beside" / "cometbft", "1.0.1")
    right = fake(tmp_path / "path" / "cometbft", f"v{VERSION}+abcdef")
    environment = {"PATH": f"{right.parent}:/usr/bin:/bin"}
    assert find_cometbft(environment, old.parent) == right
    right.unlink()
    with pytest.raises(NoCometBFT, match=r"is of version 1\.0\.1") as missing:
        find_cometbft(environment, old.parent)
    assert "make cometbft" in str(missing.value) and VERSION in str(missing.value)


@pytest.mark.parametrize("kind", ["absent", "a folder", "not executable", "silent", "failing"])
def test_what_is_no_cometbft_is_told_with_its_origin(tmp_path: Path, kind: str) -> None:
    named = tmp_path / "named"
    if kind == "a folder":
        named.mkdir()
    elif kind == "not executable":
        fake(named).chmod(0o644)
    elif kind == "silent":
        fake(named, "")
    elif kind == "failing":
        named.write_bytes(b"\x7fELF nonsense")
        named.chmod(0o755)
    with pytest.raises(NoCometBFT, match="SYNNERGY_COMETBFT"):
        find_cometbft({"SYNNERGY_COMETBFT": str(named), "PATH": ""}, tmp_path / "none")


# ---- its log ----------------------------------------------------------------------------------


def test_lines_of_its_log() -> None:
    line = parse_line(b'{"_msg":"Dialing","level":"info","module":"p2p","ts":"x","addr":"a"}\n')
    assert (line.level, line.module, line.message) == ("info", "p2p", "Dialing")
    assert line.fields == {"addr": "a"} and line.text == "info p2p: Dialing addr=a"


@pytest.mark.parametrize(
    "raw", [b"panic: oh\n", b"\xff\xfe\n", b"[1]\n", b"[" * 100_000, b"\n", b"x" * 100_000]
)
def test_anything_else_is_kept_as_it_is(raw: bytes) -> None:
    line = parse_line(raw)
    assert line.level == line.module == "" and len(line.text) <= 4_096


def complaint(message: str, **fields: object) -> LogLine:
    return LogLine("error", "p2p", message, fields, message)


def test_what_is_repeated_is_passed_on_now_and_then() -> None:
    repeats = Repeats()
    one, other = "ab" * 20, "cd" * 20
    about = [f"Peer{{MConn{{127.0.0.1:{port}}} {one} in}}" for port in (1, 2)]
    stopping = [complaint("Stopping peer for error", peer=peer, err="EOF") for peer in about]
    said = [repeats.hear(stopping[second % 2], second) for second in range(REPEAT)]
    assert said == [0] + [None] * (REPEAT - 1)
    assert repeats.hear(complaint("Stopping peer for error", err="reset"), REPEAT - 1) == 0
    assert repeats.hear(complaint("Stopping peer for error", peer=other, err="EOF"), 1) == 0
    assert repeats.hear(stopping[0], REPEAT) == REPEAT - 1
    assert repeats.hear(stopping[0], REPEAT + 1) is None
    assert repeats.hear(stopping[0], 3 * REPEAT) == 1


def test_however_many_complaints_there_are_few_are_remembered() -> None:
    repeats = Repeats()
    for number in range(3 * MAX_COMPLAINTS):
        assert repeats.hear(complaint(str(number)), 0) == 0
    assert repeats.hear(complaint("0"), 1) == 0  # forgotten
    assert repeats.hear(complaint(str(number)), 1) is None


# ---- running ----------------------------------------------------------------------------------


def test_it_starts_speaks_and_ends_by_itself_when_asked(single: Single) -> None:
    process = single.process()
    assert process.pid is None
    process.start()
    pid = process.pid
    assert pid is not None and single.layout.process.read_text() == f"{pid}\n"
    with single.rpc() as rpc:
        eventually(lambda: height(rpc) >= 1, "the first block")
    assert any(line.module == "consensus" for line in single.lines)
    assert process.stop() == 0
    assert process.pid is None and not alive(pid) and not single.layout.process.exists()
    assert single.exits == []


def test_its_end_is_told_with_its_last_words(single: Single) -> None:
    process = single.process()
    process.start()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    eventually(lambda: single.exits, "the exit")
    assert single.exits[0].status == -signal.SIGKILL
    assert process.stop() == -signal.SIGKILL


def test_a_damaged_file_of_its_own_is_told(single: Single) -> None:
    single.layout.genesis.write_text("{")
    process = single.process()
    process.start()
    eventually(lambda: single.exits, "the exit")
    assert single.exits[0].status != 0
    assert "genesis" in " ".join(single.exits[0].lines).lower()


def test_a_program_that_cannot_be_run(single: Single, tmp_path: Path) -> None:
    single.binary = tmp_path / "absent"
    process = single.process()
    process.start()
    eventually(lambda: single.exits, "the exit")
    assert single.exits[0].status != 0 and "cannot be run" in single.exits[0].lines[-1]


def test_the_reason_of_a_panic_is_its_last_word(single: Single, tmp_path: Path) -> None:
    trace = "goroutine 1 [running]:" + "\\n\\tmain.go:52 +0x21f" * 50
    panicking = tmp_path / "panicking"
    panicking.write_text(f"#!/bin/sh\nprintf 'panic: no such block\\n\\n{trace}\\n'; exit 2\n")
    panicking.chmod(0o755)
    single.binary = panicking
    process = single.process()
    process.start()
    eventually(lambda: single.exits, "the exit")
    assert single.exits[0].lines[-1] == "panic: no such block"


def test_one_that_does_not_end_is_ended(single: Single, tmp_path: Path) -> None:
    stubborn = tmp_path / "stubborn"
    stubborn.write_text("#!/bin/sh\ntrap '' TERM\necho ready\nwhile :; do sleep 0.1; done\n")
    stubborn.chmod(0o755)
    single.binary = stubborn
    process = single.process()
    process.start()
    eventually(lambda: single.lines, "its first line")
    assert process.stop(grace=0.3) == -signal.SIGKILL
    assert single.exits == []


def test_settings_of_the_environment_do_not_reach_it(
    single: Single, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CMTHOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("CMT_MONIKER", "other")
    process = single.process()
    process.start()
    try:
        with single.rpc() as rpc:
            eventually(lambda: height(rpc) >= 0, "an answer")
            assert rpc.status().node_info.moniker == "single"
    finally:
        process.stop()
    assert not (tmp_path / "elsewhere").exists()


# ---- nothing is left behind -------------------------------------------------------------------

PARENT = """
import sys, time
from pathlib import Path
from synnergy.engines.cometbft.files import Layout
from synnergy.engines.cometbft.process import CometProcess
process = CometProcess(Path(sys.argv[1]), Layout(Path(sys.argv[2])), print)
process.start()
print(process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's")
def test_it_does_not_outlive_a_node_that_is_killed(single: Single) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, single.binary, single.layout.home], stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
        parent.wait()
        eventually(lambda: not alive(pid), "the end of the orphan", within=10)


def test_an_orphan_is_ended_before_the_next_one_starts(single: Single) -> None:
    orphan = subprocess.Popen(
        [single.binary, "start", "--home", single.layout.root], stdout=subprocess.DEVNULL
    )
    single.layout.process.write_text(f"{orphan.pid}\n")
    with single.rpc() as rpc:
        eventually(lambda: height(rpc) >= 1, "the orphan's first block")
        process = single.process()
        # In a test the orphan is this process's child, and gone only once that has waited for it.
        waiting = threading.Thread(target=orphan.wait)
        waiting.start()
        process.start()
        waiting.join()
        try:
            eventually(lambda: height(rpc) >= 2, "blocks of the next one")
        finally:
            process.stop()
    assert single.exits == []


@pytest.mark.parametrize("content", ["", "x", "-1", "99999999999", "\xff"])
def test_a_damaged_note_of_the_process_is_no_obstacle(tmp_path: Path, content: str) -> None:
    layout = Layout(tmp_path)
    layout.root.mkdir()
    layout.process.write_text(content, "latin-1")
    end_orphan(layout)


def test_another_process_that_got_the_id_is_left_alone(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.root.mkdir()
    layout.process.write_text(str(os.getpid()))
    end_orphan(layout, grace=0.1)


def test_an_orphan_that_does_not_end_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(tmp_path)
    layout.root.mkdir()
    layout.process.write_text("5")
    monkeypatch.setattr("synnergy.engines.cometbft.process._runs_on", lambda *_: True)
    monkeypatch.setattr("os.kill", lambda *_: None)
    with pytest.raises(BadFiles, match="does not end"):
        end_orphan(layout, grace=0.1)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
