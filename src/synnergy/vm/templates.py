"""The one program of each verb (VM-21).

It hands the transaction's data to its opcode and returns the opcode's result. Whoever signs one
can be shown the verb and its decoded arguments, and nothing else can be in it; regulators' verbs
are accepted in no other form.
"""

from __future__ import annotations

from functools import cache

from synnergy.vm import catalogue
from synnergy.vm.catalogue import DomainOpcode
from synnergy.vm.machine import PAGE_BYTES
from synnergy.vm.program import OPCODE_BYTES, encode_program, function, instruction, program

#: Room for a transaction's data, and for the result that replaces it.
MEMORY_PAGES = 4


def template(opcode_name: str) -> bytes:
    """The encoded program of a domain opcode. Raises ValueError where there is no such opcode."""
    opcode = catalogue.by_name(opcode_name)
    if not isinstance(opcode, DomainOpcode):
        raise ValueError(f"there is no domain opcode {opcode_name}")
    return _template(opcode.name, opcode.code)


@cache
def _template(opcode_name: str, _code: int) -> bytes:
    zero, size = instruction("CORE_I64_CONST", 0), instruction("CORE_INPUT_SIZE")
    capacity = instruction("CORE_I64_CONST", MEMORY_PAGES * PAGE_BYTES)
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
    if isinstance(opcode, DomainOpcode) and code == template(opcode.name):
        return opcode.name
    return None
