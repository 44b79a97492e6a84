"""A program as bytes: its encoding, its instructions, and functions to build one (VM-2, VM-3)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from synnergy.rejected import Rejected
from synnergy.vm import catalogue
from synnergy.vm.catalogue import CoreOpcode, Immediate, Opcode
from synnergy.vm.machine import MAX_PAGES, PAGE_BYTES
from synnergy.wire.codec import Struct, decode, encode

MAX_PROGRAM_BYTES = 65_536
MAX_FUNCTION_BYTES = 32_768
MAX_FUNCTIONS = 256
MAX_SEGMENTS = 64
#: Parameters included.
MAX_LOCALS = 256

OPCODE_BYTES = 3


class Function(Struct, frozen=True, array_like=True):
    """`parameters` and then `locals` zeroed words, numbered from 0; at most one result."""

    parameters: Annotated[int, Meta(ge=0, le=MAX_LOCALS)]
    results: Annotated[int, Meta(ge=0, le=1)]
    locals: Annotated[int, Meta(ge=0, le=MAX_LOCALS)]
    code: Annotated[bytes, Meta(max_length=MAX_FUNCTION_BYTES)]


class Segment(Struct, frozen=True, array_like=True):
    """Bytes that stand in memory from `address` on before execution begins (VM-26)."""

    address: Annotated[int, Meta(ge=0, lt=MAX_PAGES * PAGE_BYTES)]
    content: Annotated[bytes, Meta(min_length=1)]


class Program(Struct, frozen=True, array_like=True):
    """`memory_pages` of 64 KiB to begin with; function 0 is where execution begins."""

    memory_pages: Annotated[int, Meta(ge=0, le=MAX_PAGES)]
    functions: Annotated[tuple[Function, ...], Meta(min_length=1, max_length=MAX_FUNCTIONS)]
    data: Annotated[tuple[Segment, ...], Meta(max_length=MAX_SEGMENTS)]


class Instruction(msgspec.Struct, frozen=True, gc=False):
    """One decoded instruction; `offset` in bytes from the beginning of its function's code."""

    opcode: Opcode
    immediate: int
    offset: int


def encode_program(program: Program) -> bytes:
    return encode(program)


def decode_program(data: bytes) -> Program | Rejected:
    """The program that `data` canonically encodes. Its code is not looked into here."""
    return decode(data, Program, MAX_PROGRAM_BYTES)


def decode_instructions(code: bytes) -> tuple[Instruction, ...] | Rejected:
    """Split a function's code into instructions (VM-3); unknown or cut-off ones are refused."""
    instructions: list[Instruction] = []
    offset, length = 0, len(code)
    while offset < length:
        body = offset + OPCODE_BYTES
        opcode = catalogue.by_code(int.from_bytes(code[offset:body], "big"))
        if body > length or opcode is None:
            return Rejected(
                "VM-3",
                "unknown_opcode",
                f"at {offset}: 0x{code[offset:body].hex()} is no opcode of this machine",
            )
        kind = immediate_of(opcode)
        end = body + kind.width
        if end > length:
            return Rejected(
                "VM-3", "truncated", f"at {offset}: {opcode.name} needs {kind.width} more bytes"
            )
        immediate = int.from_bytes(code[body:end], "big", signed=kind is Immediate.INTEGER)
        if kind is Immediate.ARITY and immediate > 1:
            return Rejected(
                "VM-3", "bad_arity", f"at {offset}: a block leaves 0 or 1 values, not {immediate}"
            )
        instructions.append(Instruction(opcode, immediate, offset))
        offset = end
    return tuple(instructions)


def immediate_of(opcode: Opcode) -> Immediate:
    return opcode.immediate if isinstance(opcode, CoreOpcode) else Immediate.NONE


def instruction(name: str, immediate: int | None = None) -> bytes:
    """The bytes of one instruction. Raises ValueError for an unknown name or a wrong immediate.

    A CORE_I64_CONST takes −2^63 … 2^64 − 1, the upper half read as two's complement.
    """
    opcode = catalogue.by_name(name)
    if opcode is None:
        raise ValueError(f"there is no opcode {name}")
    kind = immediate_of(opcode)
    if (kind is Immediate.NONE) != (immediate is None):
        raise ValueError(f"{name} takes {'no' if kind is Immediate.NONE else 'an'} immediate")
    head = opcode.code.to_bytes(OPCODE_BYTES, "big")
    if immediate is None:
        return head
    low = -(2**63) if kind is Immediate.INTEGER else 0
    high = 1 if kind is Immediate.ARITY else 256**kind.width - 1
    if not low <= immediate <= high:
        raise ValueError(f"{name}: {immediate} is not in {low} … {high}")
    return head + (immediate % 256**kind.width).to_bytes(kind.width, "big")


def function(
    *instructions: bytes, parameters: int = 0, results: int = 0, locals: int = 0
) -> Function:
    """A function of these instructions; the CORE_END that closes it is added here."""
    code = b"".join((*instructions, instruction("CORE_END")))
    return Function(parameters, results, locals, code)


def program(
    *functions: Function, memory_pages: int = 0, data: tuple[Segment, ...] = ()
) -> Program:
    """A program that begins in the first of `functions`."""
    return Program(memory_pages, functions, data)
