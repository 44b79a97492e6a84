from __future__ import annotations

import msgspec
import pytest

from synnergy.rejected import Rejected
from synnergy.vm import catalogue
from synnergy.vm.catalogue import CoreOpcode


class Note(msgspec.Struct, frozen=True):
    text: str


class Noted(msgspec.Struct, frozen=True):
    length: int


@pytest.fixture
def only_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalogue of the core opcodes alone, for this test to add to."""
    core = catalogue.core()
    monkeypatch.setattr(catalogue, "_by_code", {opcode.code: opcode for opcode in core})
    monkeypatch.setattr(catalogue, "_by_name", {opcode.name: opcode for opcode in core})
    assert all(isinstance(opcode, CoreOpcode) for opcode in catalogue.core())


@pytest.fixture
def ledger_note(only_core: None) -> str:
    """A domain opcode of this test's own."""

    @catalogue.domain_opcode(
        0x01FFFF,
        "LEDGER_NOTE",
        action="note",
        args=Note,
        result=Noted,
        resource=lambda context, args: "note",
    )
    def note(context: object, args: Note) -> Noted | Rejected:
        """Write a note.

        Kept for ever.
        """
        return Noted(len(args.text))

    return "LEDGER_NOTE"
