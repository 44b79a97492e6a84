"""Keeping validators alive, with processes that only answer as validators do (NET-61)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from synnergy.cli import supervision
from synnergy.cli.supervision import (
    Diverged,
    Ended,
    Supervisor,
    Validator,
    log_of,
    node_environment,
    tail,
)
from synnergy.client.genesis import NewLedger
from synnergy.client.home import Home
from synnergy.client.network import LocalNetwork, Member, open_network
from tests.network.support import eventually
from tests.network.testnet.test_process import alive

FAKE = Path(__file__).with_name("fake_node.py")
CHAIN = "testnet-" + "0" * 32


@dataclass
class News:
    """A display that remembers."""

    readies: list[tuple[tuple[int, ...], ...]] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    ends: list[Ended] = field(default_factory=list)
    differences: list[Diverged] = field(default_factory=list)
    validators: Sequence[Validator] = ()

    def ready(self, validators: Sequence[Validator]) -> None:
        self.readies.append(tuple(validator.pids for validator in validators))

    def answers(self, validator: Validator) -> None:
        self.answered.append(validator.member.name)

    def ended(self, ended: Ended) -> None:
        self.ends.append(ended)

    def diverged(self, diverged: Diverged) -> None:
        self.differences.append(diverged)

    def look(self, validators: Sequence[Validator]) -> None:
        self.validators = validators

    def states(self) -> list[str]:
        return [validator.observed.state for validator in self.validators]


@pytest.fixture(autouse=True)
def ask_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "ASK_SECONDS", 0.1)
    monkeypatch.setattr(supervision, "ASK_SECONDS_AT_FIRST", 0.1)


@pytest.fixture
def network(tmp_path: Path) -> LocalNetwork:
    made = open_network(Home(tmp_path), 3, NewLedger(development=True))
    return LocalNetwork(made.home, CHAIN, made.members)


def fake(member: Member) -> list[str]:
    port = member.listen.rpartition(":")[2]
    return [sys.executable, str(FAKE), str(member.home), port, CHAIN]


def behave(member: Member, how: str, content: object = None) -> None:
    (member.home / how).write_text(json.dumps(content))


@contextmanager
def supervised(
    network: LocalNetwork,
    restart_after: float = 0.2,
    seconds: float | None = None,
    command: Callable[[Member], Sequence[str]] = fake,
) -> Iterator[tuple[News, threading.Thread]]:
    """Validators under a supervisor, which is stopped at the end; nothing of them is left."""
    news = News()
    supervisor = Supervisor(network, news, restart_after, seconds, command)
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    try:
        yield news, thread
    finally:
        supervisor.stop()
        thread.join(60)
    assert not thread.is_alive()
    assert all(
        validator.process is None or validator.process.poll() is not None
        for validator in supervisor.validators
    )


def pids(news: News) -> list[int]:
    return [validator.pids[0] for validator in news.validators]


def test_it_is_ready_once_when_all_answer(network: LocalNetwork) -> None:
    behave(network.members[2], "silent")
    with supervised(network) as (news, _):
        eventually(lambda: news.states()[:2] == ["running", "running"], "two that answer")
        assert news.readies == []
        # The one that hangs keeps its question, so it comes back as another process.
        (network.members[2].home / "silent").unlink()
        os.kill(pids(news)[2], signal.SIGKILL)
        eventually(lambda: news.readies, "all answer")
        assert [[pid] for pid in pids(news)] == [list(each) for each in news.readies[0]]
    assert len(news.readies) == 1 and news.answered == []


def test_one_that_is_killed_is_told_and_started_again(network: LocalNetwork) -> None:
    with supervised(network) as (news, _):
        eventually(lambda: news.readies, "all answer")
        before = pids(news)
        os.kill(before[1], signal.SIGKILL)
        eventually(lambda: news.answered, "the one that was killed answers")
        after = pids(news)
    (ended,) = news.ends
    assert ended.name == "validator-1" == news.answered[0]
    assert ended.status == -signal.SIGKILL and "SIGKILL" in ended.reason
    assert ended.again_in == 0.2
    assert after[0] == before[0] and after[2] == before[2] and after[1] != before[1]


def test_with_zero_it_stays_down(network: LocalNetwork) -> None:
    with supervised(network, restart_after=0) as (news, _):
        eventually(lambda: news.readies, "all answer")
        os.kill(pids(news)[0], signal.SIGKILL)
        eventually(lambda: news.ends, "its end")
        eventually(lambda: news.states() == ["ended", "running", "running"], "the others go on")
    assert news.ends[0].again_in is None and news.answered == []


def test_why_it_does_not_start_is_told_each_time(network: LocalNetwork) -> None:
    behave(network.members[0], "refuse")
    with supervised(network) as (news, _):
        eventually(lambda: len(news.ends) >= 2, "two attempts")
        (network.members[0].home / "refuse").unlink()
        eventually(lambda: news.readies, "all answer")
    assert {ended.name for ended in news.ends} == {"validator-0"}
    assert {ended.status for ended in news.ends} == {7}
    assert all(ended.lines == tuple(f"reason {n}" for n in range(4, 9)) for ended in news.ends)


def test_seconds_count_from_when_all_answer(network: LocalNetwork) -> None:
    behave(network.members[0], "refuse")
    with supervised(network, seconds=0.5) as (news, thread):
        eventually(lambda: len(news.ends) >= 3, "three attempts")
        assert thread.is_alive() and news.readies == []
        (network.members[0].home / "refuse").unlink()
        thread.join(60)
        assert not thread.is_alive() and len(news.readies) == 1


def test_one_that_halted_is_shown_with_its_reason(network: LocalNetwork) -> None:
    with supervised(network) as (news, _):
        eventually(lambda: news.readies, "all answer")
        error = {"code": "halted", "message": "the disk is full"}
        behave(network.members[1], "health", {"error": error})
        eventually(lambda: news.states()[1] == "halted", "it is seen")
        assert news.validators[1].observed.trouble == "the disk is full"
    assert news.ends == []


@pytest.mark.parametrize(
    "health", [{"chain_id": "other"}, {"height": "x"}, {"app_hash": None}, {"chain_id": 5}]
)
def test_whoever_else_answers_on_its_port_is_not_it(
    network: LocalNetwork, health: dict[str, object]
) -> None:
    behave(network.members[1], "health", health)
    with supervised(network) as (news, _):
        eventually(lambda: news.states()[::2] == ["running", "running"], "the others answer")
        assert news.states()[1] == "starting" and news.readies == []


def test_a_difference_is_told_once_for_each_height_also_to_one_that_is_behind(
    network: LocalNetwork,
) -> None:
    with supervised(network) as (news, _):
        eventually(lambda: news.readies, "all answer")
        behave(network.members[0], "health", {"height": 9, "app_hash": "cd" * 32})
        behave(network.members[1], "health", {"height": 8, "app_hash": "ef" * 32})
        eventually(
            lambda: [validator.observed.height for validator in news.validators] == [9, 8, 1],
            "different heights",
        )
        assert news.differences == []
        behave(network.members[0], "health", {"height": 10, "app_hash": "cd" * 32})
        eventually(lambda: news.validators[0].observed.height == 10, "it goes on")
        behave(network.members[1], "health", {"height": 9, "app_hash": "ef" * 32})
        eventually(lambda: news.differences, "the difference")
    assert news.differences == [
        Diverged(9, (("validator-0", "cd" * 32), ("validator-1", "ef" * 32)))
    ]


def test_one_that_does_not_end_is_ended(
    network: LocalNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision.end, "__defaults__", (0.3,))
    behave(network.members[1], "stubborn")
    with supervised(network) as (news, _):
        eventually(lambda: news.readies, "all answer")
        running = pids(news)
    assert not any(alive(pid) for pid in running)


RUN = """
import sys
from pathlib import Path
from synnergy.cli.supervision import Supervisor
from synnergy.client.genesis import NewLedger
from synnergy.client.home import Home
from synnergy.client.network import LocalNetwork, open_network
from tests.network.testnet.test_supervision import CHAIN, News, fake
made = open_network(Home(Path(sys.argv[1])), 3, NewLedger(development=True))
news = News()
news.ready = lambda validators: print(*(v.pids[0] for v in validators), flush=True)
Supervisor(LocalNetwork(made.home, CHAIN, made.members), news, 3.0, None, fake).run()
"""


def test_a_signal_may_come_at_any_moment(network: LocalNetwork) -> None:
    """Its handler runs in whichever thread holds a lock at that moment, and waits for none."""
    supervisor = Supervisor(network, News(), 0.2, None, fake)
    handler = threading.Thread(target=supervisor.stop, daemon=True)
    with supervisor._stopping._cond:  # type: ignore[attr-defined]
        handler.start()
        handler.join(10)
    assert not handler.is_alive()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's")
def test_a_supervisor_that_is_killed_leaves_nothing_behind(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", RUN, tmp_path], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        running = [int(word) for word in process.stdout.readline().split()]
        assert len(running) == 3 and all(alive(pid) for pid in running)
        process.kill()
        process.wait()
        eventually(lambda: not any(alive(pid) for pid in running), "their end", within=20)


def test_logs_are_kept_from_start_to_start(network: LocalNetwork) -> None:
    member = network.members[0]
    log_of(member).write_text("what stood there\n")
    behave(member, "refuse")
    with supervised(network) as (news, _):
        eventually(lambda: len(news.ends) >= 2, "two attempts")
    lines = log_of(member).read_text().splitlines()
    assert lines[0] == "what stood there" and lines.count("reason 0") >= 2


def test_the_tail_of_a_log(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert tail(path, 0) == ()
    path.write_bytes(b"before\n" + b"x" * 100_000 + b"\n\xff\nlast\n")
    assert tail(path, 7)[-2:] == ("\N{REPLACEMENT CHARACTER}", "last")
    assert sum(len(line) for line in tail(path, 0)) < 10_000
    assert tail(path, 10**9) == ()


def test_what_a_node_inherits() -> None:
    inherited = {"SYNNERGY_HOME": "a", "SYNNERGY_NODE": "b", "SYNNERGY_PASSPHRASE": "c", "X": "d"}
    assert node_environment(inherited) == {"X": "d", "SYNNERGY_LOG": "info"}
    assert node_environment({"SYNNERGY_LOG": "debug"}) == {"SYNNERGY_LOG": "debug"}
