"""Random programs on three machines: the interpreter, the stepping machine, WebAssembly."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synnergy.vm.program import Program, decode_instructions, decode_program, encode_program

from .engine import NODE, Ended, run_in_engine
from .generator import random_program
from .samples import SAMPLES
from .stepper import Stepper
from .support import BALANCES, ENVIRONMENT, PRICES, FakeHost, run

GAS = 20_000


def both_agree(program: Program, input: bytes, gas: int) -> str:
    host = FakeHost({b"key": b"value"})
    outcome = run(program, input, gas, host)
    where = outcome.where and (outcome.where.function, outcome.where.offset)
    stepper = Stepper(program, input, gas, ENVIRONMENT, PRICES, {b"key": b"value"}, dict(BALANCES))
    assert (outcome.status, outcome.output, outcome.gas_used, where) == stepper.run()
    assert (host.storage, host.events) == (stepper.storage, stepper.events)
    return outcome.status


@given(st.integers(0, 2**32), st.binary(max_size=80), st.sampled_from((GAS, GAS, 900, 200)))
@settings(max_examples=400, deadline=None)
def test_the_stepping_machine_agrees(seed: int, input: bytes, gas: int) -> None:
    both_agree(random_program(seed), input, gas)


def test_random_programs_reach_everything() -> None:
    """The walk is worth something: endings of all kinds, and every opcode it knows."""
    programs = [random_program(seed) for seed in range(150)]
    hosts = [FakeHost({}) for _ in programs]
    endings = {
        run(program, b"", GAS, host).status for program, host in zip(programs, hosts, strict=True)
    }
    assert endings == {"ok", "trap", "out_of_gas"}
    assert any(host.storage for host in hosts) and any(host.events for host in hosts)
    seen: set[str] = set()
    for program in programs:
        for function in program.functions:
            instructions = decode_instructions(function.code)
            assert isinstance(instructions, tuple)
            seen |= {instruction.opcode.name for instruction in instructions}
    missing = {name for name in PRICES if name.startswith("CORE_")} - seen
    assert missing == {"CORE_GAS_LEFT", "CORE_REVERT"}


@pytest.mark.skipif(NODE is None, reason="Node runs the WebAssembly side")
def test_a_webassembly_engine_agrees() -> None:
    jobs: list[tuple[Program, bytes]] = []
    expected: list[Ended] = []
    candidates = [(random_program(seed), bytes(range(seed % 90))) for seed in range(9_000, 9_250)]
    for program, input in [*candidates, *SAMPLES.values()]:
        host = FakeHost({})
        outcome = run(program, input, GAS, host)
        # The engine knows neither gas nor the depth of calls.
        too_deep = outcome.rejection is not None and outcome.rejection.code == "call_too_deep"
        if outcome.status != "out_of_gas" and not too_deep:
            jobs.append((decode_program(encode_program(program)), input))  # type: ignore[arg-type]
            expected.append((outcome.status, outcome.output, host.storage, host.events))
    assert len(jobs) > 200
    assert run_in_engine(jobs) == expected
