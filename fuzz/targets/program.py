"""VM-2 … VM-20: any bytes as a program: refused in words, or run within its gas.

A program of core opcodes ends on the stepping machine of the tests as it does here, and whatever
decodes has a text that assembles to it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import synnergy.opcodes
from fuzz import mutate
from fuzz.target import Target, plain
from synnergy.gas.meter import Meter, OutOfGas
from synnergy.gas.schedule import load_schedule
from synnergy.rejected import Rejected
from synnergy.vm import catalogue
from synnergy.vm.assembly import Assembled, assemble
from synnergy.vm.disassembly import disassemble
from synnergy.vm.domain import DomainOpcode
from synnergy.vm.interpreter import execute
from synnergy.vm.program import decode_program, encode_program
from synnergy.vm.templates import template, template_opcode
from synnergy.vm.verifier import verify
from tests.vm import samples
from tests.vm.generator import random_program
from tests.vm.stepper import Stepper
from tests.vm.support import BALANCES, ENVIRONMENT, FakeHost

assert synnergy.opcodes.__all__
PRICES = dict(load_schedule(1).program_prices)
GAS = 5_000
INPUT = b"what the transaction carries as its data"


class AnsweringHost(FakeHost):
    """Answers a verb by its arguments: with bytes, a refusal, or a charge beyond what is left."""

    def __init__(self) -> None:
        super().__init__({})
        self.calls = 0

    def call(
        self, opcode: DomainOpcode, arguments: bytes, meter: Meter
    ) -> bytes | Rejected | OutOfGas:
        self.calls += 1
        if not meter.charge(len(arguments)):
            return OutOfGas(len(arguments))
        answer = hashlib.sha256(opcode.name.encode() + arguments).digest()
        if answer[0] < 32:
            return Rejected("POL-1", "policy_denied", opcode.name)
        if answer[0] < 64:
            return OutOfGas(meter.remaining + 1)
        return answer * (answer[1] % 5)


def check(data: bytes) -> Iterator[str]:
    program = decode_program(data)
    if isinstance(program, Rejected):
        yield plain(program.message)
        return
    assert encode_program(program) == data
    template_opcode(data)
    text = disassemble(program)
    if isinstance(text, str):
        assembled = assemble(text)
        assert isinstance(assembled, Assembled) and encode_program(assembled.program) == data
    verified = verify(program, PRICES)
    if isinstance(verified, Rejected):
        assert verified.rule.startswith("VM-") and verified.message, verified
        yield verified.code
        return
    host, meter = AnsweringHost(), Meter(GAS)
    outcome = execute(verified, INPUT, meter, host, ENVIRONMENT)
    assert 0 <= outcome.gas_used == meter.used <= GAS
    assert (outcome.rejection is None) == (outcome.status == "ok") == (outcome.where is None)
    assert outcome.status in ("ok", "reverted") or not outcome.output
    if outcome.status in ("trap", "out_of_gas"):
        assert meter.remaining == 0
    if not host.calls and not any(names_verb(function.code) for function in program.functions):
        stepper = Stepper(program, INPUT, GAS, ENVIRONMENT, PRICES, {}, dict(BALANCES))
        assert (outcome.status, outcome.output, outcome.gas_used) == stepper.run()[:3]
        assert (host.storage, host.events) == (stepper.storage, stepper.events)
    yield outcome.status if outcome.rejection is None else outcome.rejection.code


def names_verb(code: bytes) -> bool:
    """Whether a domain opcode may stand in this code; the stepping machine knows none."""
    return any(opcode.code.to_bytes(3, "big") in code for opcode in catalogue.domain())


def seeds() -> dict[str, bytes]:
    named = {name: program for name, (program, _) in samples.SAMPLES.items()}
    named |= {f"random-{seed}": random_program(seed) for seed in range(40)}
    made = {name: encode_program(program) for name, program in named.items()}
    return made | {opcode.name: template(opcode.name) for opcode in catalogue.domain()}


TARGET = Target(check, seeds, longest=4_096, mutate=mutate.program)
