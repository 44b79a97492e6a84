"""Running commands in this process, as a shell would see them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from synnergy.cli.main import main


@dataclass(frozen=True)
class Done:
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on stdout; anything else fails the test."""
        lines = self.out.splitlines()
        assert len(lines) == 1, self.out
        fields = json.loads(lines[0], parse_constant=pytest.fail)
        assert isinstance(fields, dict)
        return fields


def run(capsys: pytest.CaptureFixture[str], *words: object) -> Done:
    """Run `synnergy WORDS`."""
    capsys.readouterr()
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.out + captured.err
    return Done(code, captured.out, captured.err)
