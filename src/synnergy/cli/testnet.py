"""`synnergy testnet`: a network of validators on this machine, in the foreground."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, TextIO

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from synnergy.cli.command import command
from synnergy.cli.lines import Lines
from synnergy.cli.reply import Reply, json_line, plain, plain_line, table
from synnergy.cli.session import Session
from synnergy.client.failures import ClientError
from synnergy.client.home import Home

if TYPE_CHECKING:
    from synnergy.cli.supervision import Display, Diverged, Ended, Validator
    from synnergy.client.network import LocalNetwork

MOST_VALIDATORS: Final = 16
#: How often heights are told where they change, in seconds.
TELL_SECONDS: Final = 1.0


def add_to(app: typer.Typer) -> None:
    command(app, "testnet")(testnet)


def testnet(
    session: Session,
    validators: Annotated[
        int,
        typer.Option(
            "--validators",
            metavar="N",
            min=1,
            max=MOST_VALIDATORS,
            help="How many validators the network has.",
        ),
    ] = 4,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds", metavar="S", min=0, help="End by itself, S seconds after all answer."
        ),
    ] = None,
    restart_after: Annotated[
        float,
        typer.Option(
            "--restart-after",
            metavar="S",
            min=0,
            help="Start a validator that ended again after so many seconds; 0 for never.",
        ),
    ] = 3.0,
    name: Annotated[
        str,
        typer.Option(
            "--name", metavar="N", help="What a new chain is called: 1 to 17 of a-z, 0-9, '-'."
        ),
    ] = "testnet",
    jurisdiction: Annotated[
        str,
        typer.Option("--jurisdiction", metavar="XX", help="Where a new network's wallets are."),
    ] = "GB",
) -> Reply:
    """Run a network of validators on this machine, in the foreground until SIGTERM or Ctrl-C.

    The home becomes that of the wallets operator and regulator, without passphrases; each
    validator has a home of its own under it. A network that is there already goes on.
    With --json the first line is one object, printed when all validators answer; every further
    line is an object that tells what happened.
    """
    # What runs nodes and asks them takes time to load, which other commands are spared.
    from synnergy.cli.supervision import Supervisor, on_signals
    from synnergy.client.genesis import NewLedger
    from synnergy.client.network import check_place, open_network
    from synnergy.engines.cometbft.process import NoCometBFT, find_cometbft

    home = session.home
    wanted = NewLedger(name, development=True, jurisdiction=jurisdiction)
    check_place(home, wanted)
    try:
        find_cometbft()
    except NoCometBFT as missing:
        raise ClientError("no_cometbft", str(missing)) from None
    with alone(home), ExitStack() as stack:
        network = open_network(home, validators, wanted)
        display = choose(network, session.settings.json, stack)
        supervisor = Supervisor(network, display, restart_after, seconds)
        on_signals(supervisor.stop)
        supervisor.run()
    raise typer.Exit(0)


@contextmanager
def alone(home: Home) -> Generator[None]:
    """Hold a folder's network, which only one process may run. ClientError where one does."""
    from synnergy.client.network import LOCK

    try:
        home.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(home.root / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ClientError("unwritable_file", f"{home.root}: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ClientError(
            "already_running", f"another `synnergy testnet` runs the network in {home.root}"
        ) from None
    finally:
        os.close(descriptor)


def choose(network: LocalNetwork, as_json: bool, stack: ExitStack) -> Display:
    """Where news goes: lines of JSON, a table that is kept current, or lines for people."""
    if as_json:
        return JsonDisplay(network, lines(stack, sys.stdout), lines(stack, sys.stderr))
    if sys.stdout.isatty():
        console = Console(highlight=False)
        # Full lines of news stand above the table, which is redrawn below them.
        live = stack.enter_context(Live(console=console, auto_refresh=False))
        return LiveDisplay(network, live)
    return LineDisplay(network, lines(stack, sys.stdout))


def lines(stack: ExitStack, stream: TextIO) -> Lines:
    """Lines to a stream, closed with the stack."""
    stream.flush()
    opened = Lines(stream.fileno())
    stack.callback(opened.close)
    return opened


def described(validator: Validator) -> dict[str, Any]:
    """How a validator is, for programs."""
    observed = validator.observed
    return {
        "name": validator.member.name,
        "state": observed.state,
        "height": observed.height,
        "app_hash": observed.app_hash,
        "peers": observed.peers,
        "catching_up": observed.catching_up,
        **({"trouble": observed.trouble} if observed.trouble else {}),
    }


@dataclass(slots=True)
class Changes:
    """Passes on how all validators are where that changed, at most once in TELL_SECONDS."""

    tell: Callable[[Sequence[Validator]], None]
    before: Sequence[Mapping[str, Any]] = ()
    told_at: float = 0.0

    def look(self, validators: Sequence[Validator]) -> None:
        now = time.monotonic()
        if now - self.told_at < TELL_SECONDS:
            return
        current = [described(validator) for validator in validators]
        if current != self.before:
            self.before, self.told_at = current, now
            self.tell(validators)


class JsonDisplay:
    """Objects, a line each: the network when all answer, and from then on what happens to it.

    What happens before has no line of its own, for the first one is the network.
    """

    def __init__(self, network: LocalNetwork, out: Lines, errors: Lines) -> None:
        self._network = network
        self._out = out
        self._errors = errors
        self._ready = False
        self._changes = Changes(self._tell)

    def ready(self, validators: Sequence[Validator]) -> None:
        self._ready = True
        self._write(
            {
                "chain_id": self._network.chain_id,
                "genesis": str(self._network.home.genesis),
                "validators": [
                    {
                        "name": validator.member.name,
                        "api": validator.member.api,
                        "home": str(validator.member.home),
                        "pids": list(validator.pids),
                    }
                    for validator in validators
                ],
            }
        )

    def answers(self, validator: Validator) -> None:
        name = validator.member.name
        self._event("answers", {"name": name, "pids": list(validator.pids)})

    def ended(self, ended: Ended) -> None:
        if not self._ready:
            for line in worded_end(ended):
                self._errors.write(plain_line(line))
        fields = {"name": ended.name, "status": ended.status, "reason": ended.reason}
        self._event("ended", {**fields, "again_in": ended.again_in, "lines": list(ended.lines)})

    def diverged(self, diverged: Diverged) -> None:
        hashes = dict(diverged.hashes)
        self._event("diverged", {"height": diverged.height, "app_hashes": hashes})

    def look(self, validators: Sequence[Validator]) -> None:
        if self._ready:
            self._changes.look(validators)

    def _tell(self, validators: Sequence[Validator]) -> None:
        self._event("state", {"validators": [described(each) for each in validators]})

    def _event(self, event: str, fields: dict[str, Any]) -> None:
        if self._ready:
            self._write({"event": event, **fields})

    def _write(self, fields: dict[str, Any]) -> None:
        self._out.write(json_line(fields))


class LineDisplay:
    """Lines for people, where nobody looks at a terminal."""

    def __init__(self, network: LocalNetwork, out: Lines) -> None:
        self._network = network
        self._out = out
        self._changes = Changes(self._tell)
        self._print(f"starting {len(network.members)} validators of {network.chain_id}")

    def ready(self, validators: Sequence[Validator]) -> None:
        self._print(*worded_start(self._network, validators))

    def answers(self, validator: Validator) -> None:
        self._print(f"{validator.member.name} answers again")

    def ended(self, ended: Ended) -> None:
        self._print(*worded_end(ended))

    def diverged(self, diverged: Diverged) -> None:
        self._print(worded_difference(diverged))

    def look(self, validators: Sequence[Validator]) -> None:
        self._changes.look(validators)

    def _tell(self, validators: Sequence[Validator]) -> None:
        self._print("; ".join(worded(validator) for validator in validators))

    def _print(self, *lines: str) -> None:
        for line in lines:
            self._out.write(plain_line(line))


class LiveDisplay:
    """A table that is kept current on a terminal, below what happened."""

    def __init__(self, network: LocalNetwork, live: Live) -> None:
        self._network = network
        self._live = live
        self._changes = Changes(self._tell)

    def ready(self, validators: Sequence[Validator]) -> None:
        self._print(*worded_start(self._network, validators))

    def answers(self, validator: Validator) -> None:
        self._print(f"{validator.member.name} answers again")

    def ended(self, ended: Ended) -> None:
        self._print(*worded_end(ended))

    def diverged(self, diverged: Diverged) -> None:
        self._print(worded_difference(diverged))

    def look(self, validators: Sequence[Validator]) -> None:
        self._changes.look(validators)

    def _tell(self, validators: Sequence[Validator]) -> None:
        self._live.update(self._shown(validators), refresh=True)

    def _shown(self, validators: Sequence[Validator]) -> RenderableType:
        rows = [
            (
                validator.member.name,
                _state(validator),
                validator.observed.height,
                validator.observed.app_hash[:16],
                validator.observed.peers,
                validator.member.api,
                " ".join(map(str, validator.pids)),
            )
            for validator in validators
        ]
        headings = ("validator", "state", "height", "app hash", "peers", "API", "processes")
        title = Text(f"{self._network.chain_id}  ·  Ctrl-C ends it", style="dim")
        return Group(title, table(headings, rows))

    def _print(self, *lines: str) -> None:
        for line in lines:
            self._live.console.print(plain(line), soft_wrap=True)


# ---- words ------------------------------------------------------------------------------------


def worded_start(network: LocalNetwork, validators: Sequence[Validator]) -> list[str]:
    home, node = network.home.root, validators[0].member.api
    return [
        f"all {len(validators)} validators of {network.chain_id} answer"
        " (LOCAL DEVELOPMENT ONLY: their keys are not encrypted)",
        f"in another shell: export SYNNERGY_HOME={home} SYNNERGY_NODE={node}",
    ]


def worded(validator: Validator) -> str:
    """How a validator is, in a few words."""
    observed = validator.observed
    at = f" at {observed.height} {observed.app_hash[:12]}" if observed.app_hash else ""
    peers = f", peers {observed.peers}" if observed.state == "running" else ""
    return f"{validator.member.name} {_state(validator)}{at}{peers}"


def worded_end(ended: Ended) -> list[str]:
    again = "" if ended.again_in is None else f", and is started again in {ended.again_in:g} s"
    said = [f"  {line}" for line in ended.lines]
    return [f"{ended.name} is gone: {ended.reason}{again}", *said]


def worded_difference(diverged: Diverged) -> str:
    hashes = ", ".join(f"{name} {app_hash}" for name, app_hash in diverged.hashes)
    return f"THE VALIDATORS DISAGREE: app hashes at height {diverged.height} differ: {hashes}"


def _state(validator: Validator) -> str:
    observed = validator.observed
    if observed.trouble:
        return f"{observed.state} ({observed.trouble})"
    return "catching up" if observed.catching_up else observed.state
