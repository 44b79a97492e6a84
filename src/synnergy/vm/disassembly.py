"""From a program to assembly text that assembles to the very same bytes."""

from __future__ import annotations

from collections.abc import Iterator

from synnergy.rejected import Rejected
from synnergy.vm.assembly import mnemonic
from synnergy.vm.catalogue import Immediate
from synnergy.vm.core import control
from synnergy.vm.program import (
    Function,
    Instruction,
    Program,
    Segment,
    decode_instructions,
    immediate_of,
)

_INDENT = "    "
_LINE_BYTES = 32
_ESCAPES = {0x22: '\\"', 0x5C: "\\\\", 0x0A: "\\n"}


def disassemble(program: Program) -> str | Rejected:
    """The text of a program, verified or not; Rejected where code isn't instructions (VM-3)."""
    lines = [f"memory {program.memory_pages}"]
    for segment in program.data:
        lines += ["", *_data(segment)]
    for index, function in enumerate(program.functions):
        instructions = decode_instructions(function.code)
        if isinstance(instructions, Rejected):
            where = f"function {index}, {instructions.message}"
            return Rejected(instructions.rule, instructions.code, where)
        lines += ["", _header(index, function), *_code(instructions, len(program.functions))]
    return "\n".join(lines) + "\n"


def _data(segment: Segment) -> Iterator[str]:
    chunks = [
        _string(segment.content[at : at + _LINE_BYTES])
        for at in range(0, len(segment.content), _LINE_BYTES)
    ]
    yield f"data {segment.address} {chunks[0]}"
    yield from (_INDENT + chunk for chunk in chunks[1:])


def _string(content: bytes) -> str:
    if all(0x20 <= byte < 0x7F or byte == 0x0A for byte in content):
        return '"' + "".join(_ESCAPES.get(byte, chr(byte)) for byte in content) + '"'
    return f'x"{content.hex()}"'


def _name(index: int) -> str:
    return f"f{index}" if index else "main"


def _header(index: int, function: Function) -> str:
    counts = {
        "params": function.parameters,
        "results": function.results,
        "locals": function.locals,
    }
    clauses = (f" {clause} {count}" for clause, count in counts.items() if count)
    return f"func {_name(index)}" + "".join(clauses)


def _code(instructions: tuple[Instruction, ...], functions: int) -> Iterator[str]:
    labels = _labels(instructions)
    #: Positions of the instructions that opened what is open.
    opened: list[int] = []
    for position, instruction in enumerate(instructions):
        opcode, immediate = instruction.opcode, instruction.immediate
        kind = immediate_of(opcode)
        depth = len(opened) + 1
        if opcode in (control.END, control.ELSE):
            depth -= 1
        if opcode is control.END and opened:
            opened.pop()
        words = [mnemonic(opcode)]
        if kind is Immediate.ARITY:
            opened.append(position)
            words += [labels[position]] if position in labels else []
            words += ["results 1"] if immediate else []
        elif kind is Immediate.LABEL and immediate < len(opened):
            words.append(labels[opened[-1 - immediate]])
        elif kind is Immediate.FUNCTION and immediate < functions:
            words.append(_name(immediate))
        elif kind is not Immediate.NONE and (kind is not Immediate.OFFSET or immediate):
            words.append(str(immediate))
        yield _INDENT * depth + " ".join(words)


def _labels(instructions: tuple[Instruction, ...]) -> dict[int, str]:
    """Names for the constructs that branches go to, by the position of what opens them."""
    opened: list[int] = []
    targets: set[int] = set()
    for position, instruction in enumerate(instructions):
        kind = immediate_of(instruction.opcode)
        if kind is Immediate.ARITY:
            opened.append(position)
        elif kind is Immediate.LABEL and instruction.immediate < len(opened):
            targets.add(opened[-1 - instruction.immediate])
        elif instruction.opcode is control.END and opened:
            opened.pop()
    return {position: f"l{number}" for number, position in enumerate(sorted(targets), 1)}
