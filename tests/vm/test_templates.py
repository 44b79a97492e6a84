"""VM-21: one program for each verb, and no other is taken for it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synnergy.vm import catalogue
from synnergy.vm.program import Program, decode_program
from synnergy.vm.templates import template, template_opcode

from . import support
from .conftest import Note, Noted
from .support import PRICES, RecordingHost

#: The template around the three bytes of the verb; recorded, since regulators' tools know it.
HEAD = (
    "93" + "04" + "9194000000c454" + "0001000000000000000000" + "0001000000000000000000"
    "000400000401" + "0001000000000000000000" + "0001000000000000000000" + "000400"
    "0001000000000000000000" + "0001000000000000040000"
)
TAIL = "000402" + "000006" + "90"


@pytest.fixture
def two_verbs(ledger_note: str) -> tuple[str, str]:
    @catalogue.domain_opcode(
        0x06FFFF, "REGULATION_NOTE", action=None, governance=True, args=Note, result=Noted
    )
    def note(context: object, args: Note) -> Noted:
        """Write another note."""
        return Noted(0)

    return ledger_note, "REGULATION_NOTE"


def test_the_template_is_this(ledger_note: str) -> None:
    encoded = template(ledger_note)
    middle = encoded.hex()[len(HEAD) : len(HEAD) + 6]
    assert middle == "01ffff"
    assert encoded.hex() == HEAD + middle + TAIL


def test_a_template_is_recognised(two_verbs: tuple[str, str]) -> None:
    for name in two_verbs:
        assert template_opcode(template(name)) == name
    assert template(two_verbs[0]) != template(two_verbs[1])


def test_a_template_hands_over_the_data_and_returns_the_result(
    ledger_note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRICES, ledger_note, 5)
    decoded = decode_program(template(ledger_note))
    assert isinstance(decoded, Program)
    for data in (b"", b"x", bytes(range(256)) * 1024):
        host = RecordingHost(b"answer to " + data[:5])
        outcome = support.run(decoded, data, host=host)
        assert host.calls == [(ledger_note, data)]
        assert (outcome.status, outcome.output) == ("ok", b"answer to " + data[:5])
    full = RecordingHost(bytes(4 * 65_536))
    assert support.run(decoded, b"", host=full).output == bytes(4 * 65_536)
    assert support.run(decoded, b"", host=RecordingHost(bytes(4 * 65_536 + 1))).status == "trap"
    assert support.run(decoded, bytes(4 * 65_536 + 1), host=full).status == "trap"


def test_no_changed_byte_passes_for_a_template(two_verbs: tuple[str, str]) -> None:
    for name in two_verbs:
        encoded = template(name)
        for position in range(len(encoded)):
            for flip in (1, 0x80, 0xFF):
                changed = bytearray(encoded)
                changed[position] ^= flip
                assert template_opcode(bytes(changed)) is None
        assert template_opcode(encoded + b"\x00") is None
        assert template_opcode(encoded[:-1]) is None
        assert template_opcode(b"\x00" + encoded) is None


@given(st.binary(max_size=120))
@settings(max_examples=200)
def test_any_bytes_may_be_asked_about(code: bytes) -> None:
    assert template_opcode(code) is None


@pytest.mark.parametrize("name", ["CORE_NOP", "LEDGER_NOTHING", ""])
def test_only_domain_opcodes_have_templates(name: str) -> None:
    with pytest.raises(ValueError):
        template(name)
