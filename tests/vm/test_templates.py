"""VM-21: one program for each verb, and no other is taken for it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synnergy import opcodes
from synnergy.gas.meter import Meter, OutOfGas
from synnergy.rejected import Rejected
from synnergy.vm import catalogue
from synnergy.vm.interpreter import execute
from synnergy.vm.program import Program, decode_program
from synnergy.vm.templates import execute_template, template, template_opcode
from synnergy.vm.verifier import verify

from . import support
from .conftest import Note, Noted
from .support import ENVIRONMENT, PRICES, RecordingHost

assert opcodes.__all__

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


answers = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([262_144, 262_145]).map(bytes),
    st.builds(Rejected, st.just("POL-1"), st.just("denied"), st.text(max_size=9)),
    st.integers(1, 10**9).map(OutOfGas),
)
#: What all but the verb takes at these prices is below a thousand, but for the largest inputs.
gas = st.one_of(st.integers(0, 1_000), st.integers(0, 100_000))


@given(
    st.one_of(st.binary(max_size=300), st.just(bytes(262_144))), answers, gas, st.integers(0, 90)
)
@settings(max_examples=400)
def test_a_template_ends_as_the_interpreter_says(
    data: bytes, answer: bytes | Rejected | OutOfGas, limit: int, taken: int
) -> None:
    """With the same output, gas, refusal and place, whatever the verb answers."""
    name = "LEDGER_TRANSFER"
    program = decode_program(template(name))
    assert isinstance(program, Program)
    verified = verify(program, {**PRICES, name: 7})
    assert not isinstance(verified, Rejected)
    meters, hosts = [Meter(limit), Meter(limit)], [RecordingHost(answer, taken) for _ in "ab"]
    expected = execute(verified, data, meters[0], hosts[0], ENVIRONMENT)
    found = execute_template(verified, name, data, meters[1], hosts[1])
    if found is None:  # the verb was out of reach
        assert not hosts[0].calls and not hosts[1].calls
        assert meters[1].remaining == limit and expected.status == "out_of_gas"
        return
    assert found == expected
    assert meters[1].remaining == meters[0].remaining
    assert hosts[1].calls == hosts[0].calls


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
