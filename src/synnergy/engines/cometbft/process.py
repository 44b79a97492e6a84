"""CometBFT beside its application: finding it, starting it, hearing what it says, ending it."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from synnergy.engines.cometbft.files import BadFiles, Layout, write_whole
from synnergy.engines.cometbft.tether import tethered
from synnergy.wire.codec import read_json

#: The version whose wire format, files and log this engine knows.
VERSION: Final = "0.38.25"
ENVIRONMENT_VARIABLE: Final = "SYNNERGY_COMETBFT"
#: Lines that are kept for whoever asks why it ended.
KEPT_LINES: Final = 20
#: How the line begins in which Go says why a program ends; what follows are its goroutines.
PANIC: Final = "panic: "
#: A line of its log is cut here; a panic prints long ones.
MAX_LINE: Final = 4_096
#: A complaint is passed on once in so many seconds, however often it is repeated.
REPEAT_SECONDS: Final = 10.0
#: Complaints that are told apart.
MAX_COMPLAINTS: Final = 256
#: How long it may take to end by itself, in seconds.
GRACE_SECONDS: Final = 10.0
#: How long `cometbft version` may take, in seconds.
VERSION_SECONDS: Final = 20.0
#: Go's collector runs less often; the memory that this takes was measured as small.
GARBAGE_PERCENT: Final = "400"

_LEVELS: Final = {"error": logging.WARNING, "warn": logging.WARNING}
#: CometBFT reads its settings from variables too, and from these folders.
_OWN_VARIABLES: Final = ("CMT_", "CMTHOME", "TM_", "TMHOME")
_MISSING: Final = (
    f"CometBFT {VERSION} is needed for a network of validators; `make cometbft` installs it"
    f" (which takes Go), or {ENVIRONMENT_VARIABLE} names it"
)

_NODE_ID: Final = re.compile(r"\b[0-9a-f]{40}\b")

_log = logging.getLogger(__name__)


class NoCometBFT(Exception):
    """There is no CometBFT that can be used; the message says where it was looked for."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that CometBFT wrote; a line that is not of its log has level and module ""."""

    level: str
    module: str
    message: str
    fields: Mapping[str, Any]
    text: str


@dataclass(frozen=True, slots=True)
class Exit:
    """How CometBFT ended: its exit status (negative: the signal), and what it said last."""

    status: int
    lines: tuple[str, ...]


def find_cometbft(environment: Mapping[str, str] = os.environ, beside: Path | None = None) -> Path:
    """The CometBFT of the right version: beside the interpreter, else as SYNNERGY_COMETBFT names
    it, else from PATH. Raises NoCometBFT.
    """
    folder = beside or Path(sys.prefix) / "bin"
    named = environment.get(ENVIRONMENT_VARIABLE)
    on_path = shutil.which("cometbft", path=environment.get("PATH", ""))
    candidates = {
        str(folder / "cometbft"): "",
        **({named: " (SYNNERGY_COMETBFT)"} if named else {}),
    }
    if on_path is not None:
        candidates.setdefault(on_path, " (from PATH)")
    found: list[str] = []
    for candidate, origin in candidates.items():
        said = _version(candidate)
        if said == VERSION:
            return Path(candidate).absolute()
        if said is not None:
            found.append(f"{candidate}{origin} {said}")
        elif origin:
            found.append(f"{candidate}{origin} is not there or cannot be run")
    raise NoCometBFT("; ".join([_MISSING, *found]))


def _version(candidate: str) -> str | None:
    """The version that a program says it is of, a remark where it says none, None without one."""
    if not os.access(candidate, os.X_OK) or not Path(candidate).is_file():
        return None
    try:
        done = subprocess.run(
            [candidate, "version"], capture_output=True, text=True, timeout=VERSION_SECONDS
        )
    except (OSError, UnicodeDecodeError, subprocess.TimeoutExpired):
        return "does not say its version"
    said = done.stdout.strip().removeprefix("v").partition("+")[0]
    return said if said == VERSION else f"is of version {said[:40] or 'unknown'}"


class CometProcess:
    """A CometBFT process on a validator's home, from `start` to `stop` or to its own end.

    `on_line` gets each line that it writes and `on_exit` its end, unless `stop` brought that
    about; both are called from the process's own thread.
    """

    def __init__(
        self,
        binary: Path,
        layout: Layout,
        on_exit: Callable[[Exit], None],
        on_line: Callable[[LogLine], None] = lambda _line: None,
    ) -> None:
        self._binary = binary
        self._layout = layout
        self._on_exit = on_exit
        self._on_line = on_line
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._repeats = Repeats()
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: OSError | None = None
        self._started = threading.Event()
        self._stopping = False
        # It starts the process and lives until that has ended: see `tether`.
        self._thread = threading.Thread(target=self._run, name="cometbft", daemon=True)

    @property
    def pid(self) -> int | None:
        """The process's id, None before it started and once it ended."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    @property
    def last_lines(self) -> tuple[str, ...]:
        """What it wrote last, without lines that only inform."""
        return tuple(self._lines)

    def start(self) -> None:
        """Start it, after ending one that a node killed before left behind on this home.

        Raises BadFiles where that one cannot be ended, NoCometBFT where the program cannot be run.
        """
        end_orphan(self._layout)
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise NoCometBFT(f"{self._binary} cannot be run: {self._failure.strerror}")

    def stop(self, grace: float = GRACE_SECONDS) -> int | None:
        """End it, by force after `grace` seconds; its exit status, None where it never ran."""
        self._stopping = True
        process = self._process
        if process is None:
            return None
        with suppress(ProcessLookupError):
            process.terminate()
        self._thread.join(grace)
        if self._thread.is_alive():
            _log.warning("cometbft", extra={"reason": f"it did not end within {grace:g} s"})
            with suppress(ProcessLookupError):
                process.kill()
            self._thread.join()
        return process.returncode

    def _run(self) -> None:
        layout = self._layout
        command = [str(self._binary), "start", "--home", str(layout.root)]
        try:
            process = subprocess.Popen(
                tethered(command, signal.SIGKILL),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=layout.root,
                env=_environment(os.environ),
                # A terminal's Ctrl-C is for the node, which ends CometBFT first.
                start_new_session=True,
            )
        except OSError as error:
            self._failure = error
            self._started.set()
            return
        self._process = process
        # Without it an orphan is not found later, which is no reason to stop now.
        with suppress(BadFiles):
            write_whole(layout.process, f"{process.pid}\n".encode(), mode=0o644)
        self._started.set()
        assert process.stdout is not None
        try:
            with process.stdout:
                for line in process.stdout:
                    self._hear(parse_line(line))
        except BaseException:
            process.kill()
            raise
        finally:
            status = process.wait()
            layout.process.unlink(missing_ok=True)
            if not self._stopping:
                self._on_exit(Exit(status, self.last_lines))

    def _hear(self, line: LogLine) -> None:
        # What it complains of while it ends, such as lost connections, is as it should be.
        level = logging.DEBUG if self._stopping else _LEVELS.get(line.level, logging.DEBUG)
        # After the reason of a panic come more lines than are kept, of use to nobody here.
        panicked = bool(self._lines) and self._lines[-1].startswith(PANIC)
        if not panicked and (not line.level or level > logging.DEBUG):
            self._lines.append(line.text)
        withheld = self._repeats.hear(line, time.monotonic()) if level > logging.DEBUG else 0
        if withheld is not None:
            extra = {"component": line.module, "said": line.message, "fields": line.fields}
            _log.log(level, "cometbft", extra=extra | ({"repeated": withheld} if withheld else {}))
        self._on_line(line)


class Repeats:
    """Which complaints were passed on a moment ago: a node that its peers refuse has many."""

    def __init__(self) -> None:
        #: When each was passed on last, and how often it came since.
        self._told: OrderedDict[tuple[str, str, str, str], tuple[float, int]] = OrderedDict()

    def hear(self, line: LogLine, now: float) -> int | None:
        """How often it was withheld since it was passed on last; None where it is withheld now.

        Lines are the same where module, message, error and the node they are about are, for its
        address changes with each connection. `now` in seconds.
        """
        node = _NODE_ID.search(str(line.fields.get("peer", "")))
        error = str(line.fields.get("err", ""))
        complaint = (line.module, line.message, error, node[0] if node else "")
        told, withheld = self._told.pop(complaint, (float("-inf"), 0))
        due = now - told >= REPEAT_SECONDS
        self._told[complaint] = (now, 0) if due else (told, withheld + 1)
        if len(self._told) > MAX_COMPLAINTS:
            self._told.popitem(last=False)
        return withheld if due else None


def parse_line(raw: bytes) -> LogLine:
    """A line of CometBFT's JSON log, or of anything else that it writes, such as a panic."""
    text = raw.decode("utf-8", "replace").rstrip("\n")[:MAX_LINE]
    try:
        fields = read_json(text, dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return LogLine("", "", text, {}, text)
    level, module, message = (str(fields.pop(name, "")) for name in ("level", "module", "_msg"))
    fields.pop("ts", None)
    said = " ".join([message, *(f"{name}={value}" for name, value in fields.items())])
    return LogLine(level, module, message, fields, f"{level} {module}: {said}"[:MAX_LINE])


def _environment(inherited: Mapping[str, str]) -> dict[str, str]:
    kept = {
        name: value for name, value in inherited.items() if not name.startswith(_OWN_VARIABLES)
    }
    return {"GOGC": GARBAGE_PERCENT} | kept


def end_orphan(layout: Layout, grace: float = GRACE_SECONDS) -> None:
    """End the CometBFT of a node that is no more; whoever calls this holds the home's store.

    Raises BadFiles where it does not end.
    """
    try:
        pid = int(layout.process.read_text("ascii"))
    except (OSError, ValueError):
        return
    deadline = time.monotonic() + grace
    number = signal.SIGTERM
    while _runs_on(pid, layout):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
        if time.monotonic() > deadline + grace:
            raise BadFiles(
                f"another CometBFT (process {pid}) runs on {layout.root} and does not end"
            )
        if time.monotonic() > deadline:
            number = signal.SIGKILL
        time.sleep(0.05)
    layout.process.unlink(missing_ok=True)


def _runs_on(pid: int, layout: Layout) -> bool:
    """Whether that process is a CometBFT on this home, and not another that got its id."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        if Path("/proc/self").exists():
            return False
        command = _listed(pid)
    return os.fsencode(layout.root) in command and b"start" in command


def _listed(pid: int) -> list[bytes]:
    """A process's command line where the kernel has no folder of them, split at spaces."""
    done = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True)
    return done.stdout.split()
