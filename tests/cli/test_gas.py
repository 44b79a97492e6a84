"""`gas check` names every offender of a table that doesn't fit the catalogue (GAS-2)."""

from __future__ import annotations

import json
from importlib import resources

import pytest

from synnergy.cli import gas
from synnergy.cli.main import main
from synnergy.gas.schedule import parse_schedule


def test_every_offender_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = resources.files("synnergy.gas").joinpath("v1.toml").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith(("LEDGER_T", "CORE_NOP "))]
    at = lines.index("[opcodes]") + 1
    lines.insert(at, 'LEDGER_MINT = { gas = 1, description = "no such opcode" }')
    broken = parse_schedule("\n".join(lines))
    monkeypatch.setattr(gas, "current_schedule", lambda: broken)
    assert main(["gas", "check", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    for offender in ("LEDGER_TRANSFER", "CORE_NOP", "LEDGER_MINT", "gas.md", "opcodes.md"):
        assert offender in said["error"]["message"]
