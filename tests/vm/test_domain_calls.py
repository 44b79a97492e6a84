"""VM-18: domain opcodes on the stack, and the host's answers."""

from __future__ import annotations

import pytest

from synnergy.gas.meter import OutOfGas
from synnergy.rejected import Rejected
from synnergy.vm.interpreter import Outcome
from synnergy.vm.machine import PAGE_BYTES, Where
from synnergy.vm.program import Program, function, instruction, program
from synnergy.vm.verifier import verify

from . import support
from .samples import answer
from .support import PRICES, RecordingHost, const, core, put, word

STATIC = 1_000


@pytest.fixture
def prices(ledger_note: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    monkeypatch.setitem(PRICES, ledger_note, STATIC)
    return PRICES


def calling(address: int, length: int, out: int, capacity: int, *after: bytes) -> Program:
    operands = (const(value) for value in (address, length, out, capacity))
    return program(
        function(*operands, instruction("LEDGER_NOTE"), *(after or (core("DROP"),))),
        memory_pages=1,
    )


def run(candidate: Program, host: RecordingHost, gas: int = support.PLENTY) -> Outcome:
    return support.run(candidate, b"input", gas, host)


def test_arguments_go_out_and_the_result_comes_back(prices: dict[str, int]) -> None:
    host = RecordingHost(b"result", gas=77)
    candidate = program(
        function(
            *(const(100), const(0), const(5), core("INPUT_COPY")),
            *(const(100), const(5), const(200), const(6), instruction("LEDGER_NOTE"), put(0)),
            *(const(200), core("LOCAL_GET", 0), core("OUTPUT_SET")),
            locals=1,
        ),
        memory_pages=1,
    )
    outcome = run(candidate, host)
    assert (outcome.status, outcome.output) == ("ok", b"result")
    assert host.calls == [("LEDGER_NOTE", b"input")]


def test_the_length_is_pushed_and_arguments_may_be_overwritten(prices: dict[str, int]) -> None:
    host = RecordingHost(bytes(9))
    operands = (const(0), const(64), const(0), const(PAGE_BYTES), instruction("LEDGER_NOTE"))
    assert word(support.run(answer(*operands), host=host)) == 9
    assert host.calls == [("LEDGER_NOTE", bytes(64))]


def test_gas_of_a_call_is_static_copies_and_the_hosts_own(prices: dict[str, int]) -> None:
    base = run(calling(0, 0, 0, 0), RecordingHost(b"")).gas_used
    static = 4 * prices["CORE_I64_CONST"] + prices["CORE_DROP"] + prices["CORE_END"]
    assert base == prices["units.memory_page"] + static + STATIC
    copying = prices["units.copy_block"]
    assert run(calling(0, 65, 0, 0), RecordingHost(b"")).gas_used == base + 2 * copying
    host = RecordingHost(bytes(129), gas=500)
    assert run(calling(0, 1, 0, 200), host).gas_used == base + 500 + copying + 3 * copying


@pytest.mark.parametrize(
    "operands",
    [
        (0, PAGE_BYTES + 1, 0, 0),
        (PAGE_BYTES + 1, 0, 0, 0),
        (2**32, 1, 0, 0),
        (2**64 - 1, 1, 0, 0),
        (0, 2**64 - 1, 0, 0),
        (0, 0, 0, PAGE_BYTES + 1),
        (0, 0, PAGE_BYTES, 1),
        (0, 0, 2**64 - 1, 2),
        (0, 0, 0, 2**64 - 1),
    ],
)
def test_bad_ranges_trap_before_the_host_is_called(
    prices: dict[str, int], operands: tuple[int, int, int, int]
) -> None:
    host = RecordingHost(b"")
    outcome = run(calling(*operands), host, gas=5_000)
    assert outcome.status == "trap"
    assert outcome.gas_used == 5_000
    assert host.calls == []


def test_too_little_room_for_the_result_traps(prices: dict[str, int]) -> None:
    outcome = run(calling(0, 0, 0, 5), RecordingHost(b"123456"))
    assert outcome.rejection is not None
    assert (outcome.status, outcome.rejection.code) == ("trap", "result_too_large")
    assert run(calling(0, 0, 0, 6), RecordingHost(b"123456")).status == "ok"


def test_a_refusal_stops_the_program_and_keeps_the_gas(prices: dict[str, int]) -> None:
    refused = Rejected("POL-1", "denied", "not allowed")
    outcome = run(calling(0, 0, 0, 0), RecordingHost(refused, gas=10), gas=50_000)
    assert (outcome.status, outcome.rejection) == ("refused", refused)
    assert outcome.where == Where(0, 44)
    assert outcome.gas_used < 2_000


def test_a_host_out_of_gas_ends_the_frame_out_of_gas(prices: dict[str, int]) -> None:
    outcome = run(calling(0, 0, 0, 0), RecordingHost(b"", gas=10**9), gas=50_000)
    assert (outcome.status, outcome.gas_used) == ("out_of_gas", 50_000)
    assert outcome.where == Where(0, 44)
    said = run(calling(0, 0, 0, 0), RecordingHost(OutOfGas(7)), gas=50_000)
    assert (said.status, said.gas_used) == ("out_of_gas", 50_000)


def test_the_host_isnt_called_without_gas_for_the_block(prices: dict[str, int]) -> None:
    host = RecordingHost(b"")
    assert run(calling(0, 0, 0, 0), host, gas=STATIC).status == "out_of_gas"
    assert host.calls == []


def test_a_verb_in_dead_code_is_checked_and_not_called(prices: dict[str, int]) -> None:
    host = RecordingHost(b"")
    dead = program(function(core("RETURN"), instruction("LEDGER_NOTE"), core("DROP")))
    assert run(dead, host).status == "ok"
    assert host.calls == []
    unpriced = {name: gas for name, gas in prices.items() if name != "LEDGER_NOTE"}
    assert isinstance(verify(dead, unpriced), Rejected)
