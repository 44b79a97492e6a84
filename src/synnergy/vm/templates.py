"""The one program of each verb (VM-21).

It hands the transaction's data to its opcode and returns the opcode's result. Whoever signs one
can be shown the verb and its decoded arguments, and nothing else can be in it; regulators' verbs
are accepted in no other form.
"""

from __future__ import annotations

from functools import cache

from synnergy.gas.meter import Meter
from synnergy.vm import catalogue
from synnergy.vm.blocks import VerifiedProgram
from synnergy.vm.catalogue import DomainOpcode
from synnergy.vm.core.call import carry_out
from synnergy.vm.interpreter import Outcome, ended
from synnergy.vm.machine import PAGE_BYTES, Halt, Host, Where, out_of_gas
from synnergy.vm.program import OPCODE_BYTES, encode_program, function, instruction, program

#: Room for a transaction's data, and for the result that replaces it.
MEMORY_PAGES = 4
_MEMORY_BYTES = MEMORY_PAGES * PAGE_BYTES


def template(opcode_name: str) -> bytes:
    """The encoded program of a domain opcode. Raises ValueError where there is no such opcode."""
    opcode = catalogue.by_name(opcode_name)
    if not isinstance(opcode, DomainOpcode):
        raise ValueError(f"there is no domain opcode {opcode_name}")
    return _template(opcode.name, opcode.code)


@cache
def _template(opcode_name: str, _code: int) -> bytes:
    zero, size = instruction("CORE_I64_CONST", 0), instruction("CORE_INPUT_SIZE")
    capacity = instruction("CORE_I64_CONST", _MEMORY_BYTES)
    body = (
        *(zero, zero, size, instruction("CORE_INPUT_COPY")),
        *(zero, zero, size, zero, capacity, instruction(opcode_name)),
        instruction("CORE_OUTPUT_SET"),
    )
    return encode_program(program(function(*body), memory_pages=MEMORY_PAGES))


def template_opcode(code: bytes) -> str | None:
    """The name of the domain opcode whose template `code` is, byte for byte; else None."""
    # All templates end alike: the verb, CORE_OUTPUT_SET, CORE_END, and a byte for no data.
    end = len(code) - 2 * OPCODE_BYTES - 1
    opcode = catalogue.by_code(
        int.from_bytes(code[max(end - OPCODE_BYTES, 0) : max(end, 0)], "big")
    )
    if isinstance(opcode, DomainOpcode) and code == _template(opcode.name, opcode.code):
        return opcode.name
    return None


def execute_template(
    program: VerifiedProgram, name: str, input: bytes, meter: Meter, host: Host
) -> Outcome | None:
    """What `interpreter.execute` makes of the template of `name`, without a machine to run it on.

    Nearly every transaction is a template. None, and nothing charged, where the verb would not be
    reached: that is left to the interpreter.
    """
    opcode = catalogue.by_name(name)
    block = program.functions[0].blocks[0]
    units, before = program.units, meter.remaining
    # The input is copied into memory, and from there to the verb.
    copies = 2 * units.copy_block * ((len(input) + 63) // 64)
    reaching = units.memory_page * MEMORY_PAGES + block.gas + copies
    if not isinstance(opcode, DomainOpcode) or len(input) > _MEMORY_BYTES:
        return None
    if not meter.charge(reaching):
        return None
    at, output_set = block.offsets[-2:]
    try:
        output = carry_out(opcode, input, _MEMORY_BYTES, host, meter)
        copy = units.copy_block * ((len(output) + 63) // 64)
        if not meter.charge(copy):
            out_of_gas(copy, meter)
        at = output_set
        if not meter.charge(copy):
            out_of_gas(copy, meter)
    except Halt as halt:
        halt.where = Where(0, at)
        return ended(halt, meter, before)
    return Outcome("ok", output, before - meter.remaining)
