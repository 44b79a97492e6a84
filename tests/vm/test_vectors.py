"""Golden vectors: integers computed by a WebAssembly engine, whole programs with their gas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from synnergy.gas.meter import Meter
from synnergy.vm import catalogue
from synnergy.vm.blocks import VerifiedProgram
from synnergy.vm.interpreter import execute
from synnergy.vm.machine import Environment, Halt, Machine, UnitPrices
from synnergy.vm.program import Program, decode_program, encode_program
from synnergy.vm.verifier import verify

from .samples import SAMPLES
from .stepper import BINARY, UNARY, Stop, wrap
from .support import ENVIRONMENT, FakeHost

VECTORS = Path(__file__).parent / "vectors"
INTEGERS: dict[str, list[list[str]]] = json.loads((VECTORS / "integers.json").read_text())
PROGRAMS: dict[str, Any] = json.loads((VECTORS / "programs.json").read_text())


def test_every_integer_opcode_has_vectors() -> None:
    names = {opcode.name for opcode in catalogue.core() if opcode.code >> 8 == 0x0001}
    assert names - {"CORE_I64_CONST"} == INTEGERS.keys()


@pytest.mark.parametrize("name", INTEGERS)
def test_integer(name: str) -> None:  # VM-13
    opcode = catalogue.by_name(name)
    assert isinstance(opcode, catalogue.CoreOpcode) and opcode.apply is not None
    machine = Machine(b"", Meter(0), FakeHost(), ENVIRONMENT, UnitPrices(0, 0, 0, 0, 0, 0))
    for *operands, expected in INTEGERS[name]:
        slots = [7, *(int(value, 16) for value in operands)]
        try:
            opcode.apply(slots, 1, 0, machine)
            result = f"{slots[1]:x}"
        except Halt as halt:
            result = halt.status
        assert result == expected, operands
        assert slots[0] == 7


@pytest.mark.parametrize("name", INTEGERS)
def test_integer_of_the_stepping_machine(name: str) -> None:
    operation = {**BINARY, **UNARY}[name.removeprefix("CORE_I64_")]
    for *operands, expected in INTEGERS[name]:
        try:
            result = f"{wrap(int(operation(*(int(value, 16) for value in operands)))):x}"
        except Stop as stop:
            result = stop.status
        assert result == expected, operands


@pytest.mark.parametrize("row", PROGRAMS["programs"], ids=lambda row: row["name"])
def test_program(row: dict[str, Any]) -> None:
    program = decode_program(bytes.fromhex(row["program"]))
    assert isinstance(program, Program)
    verified = verify(program, PROGRAMS["prices"])
    assert isinstance(verified, VerifiedProgram)
    meter = Meter(PROGRAMS["gas_limit"])
    host = FakeHost({})
    outcome = execute(
        verified,
        bytes.fromhex(row["input"]),
        meter,
        host,
        Environment(**PROGRAMS["environment"]),
    )
    assert outcome.status == row["status"]
    assert outcome.output.hex() == row["output"]
    assert outcome.gas_used == row["gas_used"]
    where = outcome.where and [outcome.where.function, outcome.where.offset]
    assert where == row["where"]
    reason = outcome.rejection and [outcome.rejection.rule, outcome.rejection.code]
    assert reason == row["reason"]
    assert {key.hex(): value.hex() for key, value in host.storage.items()} == row["storage"]
    assert [[name, data.hex()] for name, data in host.events] == row["events"]


def test_the_samples_are_what_was_recorded() -> None:
    recorded = {row["name"]: row["program"] for row in PROGRAMS["programs"]}
    assert {name: encode_program(program).hex() for name, (program, _) in SAMPLES.items()} == (
        recorded
    )
