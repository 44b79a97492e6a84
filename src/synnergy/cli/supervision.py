"""Keeping the validators of a network on this machine alive, and hearing how they are (NET-61).

Processes are started, waited for and ended by one thread, the one that calls `Supervisor.run`;
each validator is asked how it is by a thread of its own, so that one that hangs keeps nobody
waiting.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final, Literal, Protocol

import httpx
import msgspec

from synnergy.client.network import LocalNetwork, Member
from synnergy.engines.cometbft.files import Layout
from synnergy.engines.cometbft.tether import tethered
from synnergy.wire.codec import read_json

#: How long a validator may take to end when it is asked to, in seconds.
GRACE_SECONDS: Final = 30.0
#: Between two looks at the processes, and between two questions to a validator, in seconds.
LOOK_SECONDS: Final = 0.1
ASK_SECONDS: Final = 1.0
ASK_SECONDS_AT_FIRST: Final = 0.25
ANSWER_SECONDS: Final = 5.0
#: Of a validator's log, what is shown where it ended by itself.
SHOWN_LINES: Final = 5
SHOWN_BYTES: Final = 8_192
#: Heights of which app hashes are remembered, to compare those of slower validators with.
REMEMBERED: Final = 1_000
#: What concerns whoever runs the network and none of its nodes.
OWN_VARIABLES: Final = ("SYNNERGY_HOME", "SYNNERGY_NODE", "SYNNERGY_PASSPHRASE")

State = Literal["starting", "running", "halted", "ended"]


class _Error(msgspec.Struct, frozen=True):
    message: str = ""


class _Health(msgspec.Struct, frozen=True):
    """What the supervisor reads of `/health`."""

    height: int
    app_hash: str
    chain_id: str
    peers: int = 0
    catching_up: bool = False
    error: _Error | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """How a validator is, as it says; `trouble`: why it halted, or that another ledger answers."""

    state: State = "starting"
    height: int = 0
    app_hash: str = ""
    peers: int = 0
    catching_up: bool = False
    trouble: str = ""

    @property
    def works(self) -> bool:
        """Whether it takes part: it answers, and has the newest block that it knows of."""
        return self.state == "running" and self.height > 0 and not self.catching_up


@dataclass(frozen=True, slots=True)
class Ended:
    """A validator ended by itself; it is started again in `again_in` seconds, None for never."""

    name: str
    status: int
    lines: tuple[str, ...]
    again_in: float | None

    @property
    def reason(self) -> str:
        if self.status >= 0:
            return f"it ended with status {self.status}"
        with suppress(ValueError):
            return f"it was ended by {signal.Signals(-self.status).name}"
        return f"it was ended by signal {-self.status}"


@dataclass(frozen=True, slots=True)
class Diverged:
    """Validators have different app hashes at one height, which correct ones never have."""

    height: int
    hashes: tuple[tuple[str, str], ...]


class Display(Protocol):
    """Where news of the network goes."""

    def ready(self, validators: Sequence[Validator]) -> None:
        """All validators answer, for the first time."""
        ...

    def answers(self, validator: Validator) -> None:
        """One that had ended answers again."""
        ...

    def ended(self, ended: Ended) -> None: ...

    def diverged(self, diverged: Diverged) -> None: ...

    def look(self, validators: Sequence[Validator]) -> None:
        """How all are now; called often."""
        ...


@dataclass(slots=True)
class Validator:
    """A validator's process, and how it was when it was asked last."""

    member: Member
    process: subprocess.Popen[bytes] | None = None
    due: float | None = 0.0
    log_offset: int = 0
    starts: int = 0
    told: bool = False
    _observed: tuple[int, Observed] = field(default=(0, Observed()))

    @property
    def observed(self) -> Observed:
        """What it said since it was started last."""
        start, observed = self._observed
        if self.process is None:
            return Observed("ended", observed.height, observed.app_hash)
        return observed if start == self.starts else Observed()

    @observed.setter
    def observed(self, observed: Observed) -> None:
        self._observed = self.starts, observed

    @property
    def pids(self) -> tuple[int, ...]:
        """The node's process and its CometBFT's, as far as they run."""
        if self.process is None:
            return ()
        with suppress(OSError, ValueError):
            return self.process.pid, int(Layout(self.member.home).process.read_text("ascii"))
        return (self.process.pid,)


class Supervisor:
    """Starts every validator of a network, and again when it ends, until `stop` is called."""

    def __init__(
        self,
        network: LocalNetwork,
        display: Display,
        restart_after: float,
        seconds: float | None = None,
        command: Callable[[Member], Sequence[str]] | None = None,
    ) -> None:
        """`restart_after` in seconds, 0 for never; `seconds` to run once all answer.

        `command` replaces the one that runs a validator, for tests.
        """
        self._command = command or node_command
        self.validators = tuple(Validator(member) for member in network.members)
        self._chain_id = network.chain_id
        self._restart_after = restart_after
        self._display = display
        self._seconds = seconds
        self._ready = False
        self._asked_to_stop = False
        self._stopping = threading.Event()
        self._hashes: dict[int, dict[str, str]] = {}
        self._diverged: set[int] = set()

    def stop(self) -> None:
        """Let `run` end all validators and return; may be called from a signal's handler.

        That may interrupt the thread that holds an event's lock, so none is taken here.
        """
        self._asked_to_stop = True

    def run(self) -> None:
        """Supervise until `stop`; then end all of them, and return when they are gone."""
        askers = [
            threading.Thread(target=self._ask, args=(validator,), daemon=True)
            for validator in self.validators
        ]
        try:
            for asker in askers:
                asker.start()
            self._supervise()
        finally:
            self._stopping.set()
            end([validator.process for validator in self.validators])
            for asker in askers:
                asker.join(ANSWER_SECONDS)

    def _supervise(self) -> None:
        until: float | None = None
        while not self._asked_to_stop:
            time.sleep(LOOK_SECONDS)
            now = time.monotonic()
            for validator in self.validators:
                self._look_after(validator, now)
            self._compare()
            if not self._ready and all(each.observed.works for each in self.validators):
                self._ready = True
                for validator in self.validators:
                    validator.told = True
                until = None if self._seconds is None else now + self._seconds
                self._display.ready(self.validators)
            self._display.look(self.validators)
            if until is not None and now >= until:
                return

    def _look_after(self, validator: Validator, now: float) -> None:
        process = validator.process
        if process is not None and (status := process.poll()) is not None:
            validator.process = None
            again = self._restart_after or None
            validator.due = None if again is None else now + again
            validator.told = False
            lines = tail(log_of(validator.member), validator.log_offset)
            self._display.ended(Ended(validator.member.name, status, lines, again))
        elif process is None and validator.due is not None and now >= validator.due:
            start(validator, self._command(validator.member))
        elif self._ready and not validator.told and validator.observed.works:
            validator.told = True
            self._display.answers(validator)

    def _compare(self) -> None:
        """Tell where validators disagree: those that are behind reach a height later."""
        for validator in self.validators:
            observed = validator.observed
            if observed.app_hash:
                known = self._hashes.setdefault(observed.height, {})
                known[validator.member.name] = observed.app_hash
                if len(set(known.values())) > 1 and observed.height not in self._diverged:
                    self._diverged.add(observed.height)
                    self._display.diverged(Diverged(observed.height, tuple(known.items())))
        for height in sorted(self._hashes)[:-REMEMBERED]:
            del self._hashes[height]

    # ---- asking ----------------------------------------------------------------------------

    def _ask(self, validator: Validator) -> None:
        member = validator.member
        with httpx.Client(base_url=member.api, timeout=ANSWER_SECONDS, trust_env=False) as api:
            while not self._stopping.wait(ASK_SECONDS if self._ready else ASK_SECONDS_AT_FIRST):
                if validator.process is None:
                    continue
                start = validator.starts
                observed = observe(api, self._chain_id)
                if observed is not None and start == validator.starts:
                    validator.observed = observed


def observe(api: httpx.Client, chain_id: str) -> Observed | None:
    """How a validator is; None where it does not answer."""
    try:
        health = read_json(api.get("/health").content, _Health)
    except (httpx.HTTPError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    if health.chain_id != chain_id:
        return Observed(trouble=f"{api.base_url} serves {health.chain_id}, not this network")
    state: State = "running" if health.error is None else "halted"
    trouble = "" if health.error is None else health.error.message
    return Observed(
        state, health.height, health.app_hash, health.peers, health.catching_up, trouble
    )


# ---- processes --------------------------------------------------------------------------------


def node_command(member: Member) -> list[str]:
    """The command that runs a validator."""
    return [
        sys.executable, "-m", "synnergy", "--home", str(member.home),
        "start", "--engine", "cometbft", "--listen", member.listen,
    ]  # fmt: skip


def start(validator: Validator, command: Sequence[str]) -> None:
    """Start a validator's node; its output goes behind what stands in its log."""
    with log_of(validator.member).open("ab") as log:
        validator.log_offset = log.tell()
        validator.starts += 1
        validator.process = subprocess.Popen(
            # SIGTERM lets a node whose supervisor was killed end in order, CometBFT first.
            tethered(command, signal.SIGTERM),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=node_environment(os.environ),
            # A terminal's Ctrl-C is for the supervisor alone.
            start_new_session=True,
        )


def node_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """What a node's process inherits; where nothing is said, its log tells of blocks too."""
    kept = {name: value for name, value in inherited.items() if name not in OWN_VARIABLES}
    return {"SYNNERGY_LOG": "info"} | kept


def end(processes: Sequence[subprocess.Popen[bytes] | None], grace: float = GRACE_SECONDS) -> None:
    """End all of them at once; those that are still there after `grace` seconds by force."""
    running = [process for process in processes if process is not None]
    for process in running:
        process.terminate()
    deadline = time.monotonic() + grace
    for process in running:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def log_of(member: Member) -> Path:
    return member.home / "node.log"


def tail(path: Path, offset: int) -> tuple[str, ...]:
    """The last lines of a log behind `offset`."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(offset, size - SHOWN_BYTES))
            content = file.read()
    except OSError:
        return ()
    return tuple(content.decode("utf-8", "replace").splitlines()[-SHOWN_LINES:])


def on_signals(handler: Callable[[], None]) -> None:
    """Let the signals by which a process is asked to end call `handler` instead."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        handler()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, handle)
