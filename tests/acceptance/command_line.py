"""The command in a process of its own, and the node that it talks to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

SYNNERGY = Path(sys.executable).with_name("synnergy")
#: Nothing listens here.
NOWHERE = "http://127.0.0.1:9"
TIMEOUT = 180


@dataclass(frozen=True)
class Done:
    """What a command left: its exit code and both of its streams."""

    arguments: tuple[str, ...]
    code: int
    output: str
    errors: str

    @property
    def reply(self) -> dict[str, Any]:
        """The one JSON object on standard output."""
        assert self.output.count("\n") == 1 and self.output.endswith("\n"), self
        reply = json.loads(self.output, parse_constant=_not_json)
        assert isinstance(reply, dict), self
        return reply

    @property
    def error(self) -> dict[str, Any]:
        """What `--json` says of a failure; people get one clear line of it, too."""
        assert self.code != 0, self
        error = self.reply["error"]
        assert isinstance(error["code"], str) and error["code"], self
        assert isinstance(error["message"], str) and error["message"], self
        assert len(self.errors.strip().splitlines()) == 1, self
        return error


def _not_json(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


@dataclass(frozen=True)
class CommandLine:
    """Commands of one home against one node."""

    home: Path
    node: str = NOWHERE
    environment: Mapping[str, str] = field(default_factory=dict)

    def type(self, *words: object, **environment: str) -> Done:
        """Type `synnergy` and these words. Nobody ever sees a traceback."""
        arguments = tuple(str(word) for word in words)
        settings = {
            "PATH": os.defpath,
            "HOME": str(self.home.parent),
            "SYNNERGY_HOME": str(self.home),
            "SYNNERGY_NODE": self.node,
            "COLUMNS": "200",
            **self.environment,
            **environment,
        }
        done = subprocess.run(
            [SYNNERGY, *arguments],
            env=settings,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        return Done(arguments, done.returncode, done.stdout, done.stderr)

    def ask(self, *words: object, **environment: str) -> dict[str, Any]:
        """The reply of a command that succeeds."""
        done = self.type("--json", *words, **environment)
        assert done.code == 0, done
        return done.reply

    def fail(self, *words: object, code: int = 1, **environment: str) -> dict[str, Any]:
        """The error of a command that fails with this exit code."""
        done = self.type("--json", *words, **environment)
        assert done.code == code, done
        return done.error

    def balance(self, who: str) -> int:
        return self.ask("balance", who)["balance"]

    def at(self, node: str) -> CommandLine:
        return replace(self, node=node)


@dataclass
class Node:
    """A node in the foreground of a process of its own."""

    process: subprocess.Popen[str]
    url: str

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal it; its exit status."""
        self.process.send_signal(number)
        self.process.communicate(timeout=60)
        return self.process.returncode


def start(home: Path, listen: str = "127.0.0.1:0") -> Node:
    """Start a home's node and wait for its one ready line."""
    with (home / "node.log").open("a") as log:
        process = subprocess.Popen(
            [SYNNERGY, "start", "--listen", listen],
            env={"PATH": os.defpath, "HOME": str(home.parent), "SYNNERGY_HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    urls = [word for word in line.split() if word.startswith("http://")]
    assert len(urls) == 1, (line, (home / "node.log").read_text())
    return Node(process, urls[0])
