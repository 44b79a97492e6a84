"""VM-20: gas of programs called from programs, to the unit, whatever becomes of each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synnergy.gas.meter import Meter
from synnergy.vm.catalogue import DomainOpcode
from synnergy.vm.interpreter import execute
from synnergy.vm.program import Program, Segment, function, instruction, program

from .support import ENVIRONMENT, PRICES, FakeHost, const, core, verified

STATIC = 40


@dataclass(frozen=True)
class Frame:
    """A program that wastes gas, calls others in turn whatever they answer, and ends somehow."""

    waste: int
    ending: str
    calls: tuple[Frame, ...]


ENDINGS = {
    "ok": b"",
    "trap": core("UNREACHABLE"),
    "reverted": const(0) + const(0) + core("REVERT"),
    "out_of_gas": core("LOOP", 0) + core("BR", 0) + core("END"),
}
FRAMES = st.recursive(
    st.builds(Frame, st.integers(0, 20), st.sampled_from(sorted(ENDINGS)), st.just(())),
    lambda frames: st.builds(
        Frame,
        st.integers(0, 20),
        st.sampled_from(["ok", "ok", *sorted(ENDINGS)]),
        st.lists(frames, max_size=3).map(tuple),
    ),
    max_leaves=12,
)


def code_of(frame: Frame) -> list[bytes]:
    """Up to the ending. The arguments of a call say which of the calls it is."""
    code = [core("NOP")] * frame.waste
    for index in range(len(frame.calls)):
        operands = (const(operand) for operand in (index, 1, 0, 0))
        code += [*operands, instruction("LEDGER_NOTE"), core("DROP")]
    return code


def program_of(frame: Frame) -> Program:
    entry = function(*code_of(frame), ENDINGS[frame.ending])
    return program(entry, memory_pages=1, data=(Segment(0, bytes(range(3))),))


class Nesting(FakeHost):
    """Carries out the one verb by running the program that it names, in a frame of its own."""

    def __init__(self, frame: Frame, endings: list[str]) -> None:
        super().__init__()
        self.frame = frame
        self.endings = endings

    def call(self, opcode: DomainOpcode, arguments: bytes, meter: Meter) -> bytes:
        callee = self.frame.calls[arguments[0]]
        child = meter.child()
        outcome = execute(
            verified(program_of(callee)), b"", child, Nesting(callee, self.endings), ENVIRONMENT
        )
        assert outcome.gas_used == child.used
        self.endings.append(outcome.status)
        meter.absorb(child)
        return b""


def expected(frame: Frame, limit: int, prices: Mapping[str, int]) -> int:
    """Gas that a frame uses of its limit: all of it where it traps or runs out."""

    def charges() -> Iterator[int]:
        yield prices["units.memory_page"]
        yield prices["units.copy_block"]
        static = frame.waste * prices["CORE_NOP"]
        static += len(frame.calls) * (4 * prices["CORE_I64_CONST"] + prices["CORE_DROP"] + STATIC)
        static += {
            "ok": prices["CORE_END"],
            "trap": prices["CORE_UNREACHABLE"],
            "reverted": 2 * prices["CORE_I64_CONST"] + prices["CORE_REVERT"],
            "out_of_gas": prices["CORE_LOOP"],
        }[frame.ending]
        yield static
        for callee in frame.calls:
            yield prices["units.copy_block"]
            share = left - -(-left // 64)
            yield expected(callee, share, prices)

    left = limit
    for charge in charges():
        if charge > left:
            return limit
        left -= charge
    return limit - left if frame.ending in ("ok", "reverted") else limit


@pytest.fixture
def prices(ledger_note: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    monkeypatch.setitem(PRICES, ledger_note, STATIC)
    return PRICES


@given(FRAMES, st.integers(0, 30_000))
@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_each_frame_pays_for_itself(prices: dict[str, int], frame: Frame, gas: int) -> None:
    meter = Meter(gas)
    outcome = execute(verified(program_of(frame)), b"", meter, Nesting(frame, []), ENVIRONMENT)
    assert outcome.gas_used == meter.used == expected(frame, gas, prices)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_callee_takes_its_share_or_what_it_used(prices: dict[str, int], ending: str) -> None:
    frame = Frame(0, "ok", (Frame(5, ending, ()),))
    endings: list[str] = []
    meter = Meter(64_000)
    outcome = execute(
        verified(program_of(frame)), b"", meter, Nesting(frame, endings), ENVIRONMENT
    )
    assert (outcome.status, endings) == ("ok", [ending])
    if ending in ("ok", "reverted"):
        assert meter.used < 1_000
    else:
        # The caller keeps a 64th of what it had when it called.
        assert 63_000 - 200 < meter.used < 63_000 + 200
