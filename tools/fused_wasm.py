"""Puts relaxed SIMD's fused multiply-add into a module that was compiled without relaxed SIMD.

A compiler that may use relaxed SIMD also takes its minimum and maximum for comparisons of ours,
and what those answer to NaN and to zeros of two signs is each engine's own. So the relaxed module
is compiled without them, calls the function that it exports as PLACEHOLDER for every fused
multiply-add, and gets the one instruction in place of each call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

PLACEHOLDER = b"synnergy_fused"
#: f32x4.relaxed_madd
FUSED = b"\xfd\x85\x02"
_HEADER = b"\0asm\1\0\0\0"
_CUSTOM, _IMPORTS, _EXPORTS, _CODE = 0, 2, 7, 10
_CALL = 0x10


@dataclass(slots=True)
class Reader:
    """Walks over a module's bytes."""

    data: bytes
    place: int = 0

    def byte(self) -> int:
        self.place += 1
        return self.data[self.place - 1]

    def skip(self, count: int) -> None:
        self.place += count

    def number(self) -> int:
        """A LEB128 number; of a signed one only its length matters."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def take(self, count: int) -> bytes:
        self.place += count
        return self.data[self.place - count : self.place]


def leb(value: int) -> bytes:
    """A number as unsigned LEB128."""
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*written, value))


def sections(module: bytes) -> Iterator[tuple[int, bytes]]:
    """(kind, contents) of each section. Raises ValueError where it is no module."""
    if not module.startswith(_HEADER):
        raise ValueError("this is no WebAssembly module")
    reader = Reader(module, len(_HEADER))
    while reader.place < len(module):
        kind = reader.byte()
        yield kind, reader.take(reader.number())


def fuse(module: bytes) -> bytes:
    """The module with the instruction in place of every call of PLACEHOLDER, names left out.

    Raises ValueError where it calls none, has imports, or has an instruction that isn't known.
    """
    parts = dict(sections(module))
    if _IMPORTS in parts:
        raise ValueError("the module has imports")
    function = exported(parts[_EXPORTS], PLACEHOLDER)
    changed = 0

    def replace(opcode: int, operand: int, written: bytes) -> bytes:
        nonlocal changed
        if (opcode, operand) != (_CALL, function):
            return written
        changed += 1
        return FUSED

    rewritten = {**parts, _CODE: rewrite(parts[_CODE], replace)}
    if not changed:
        raise ValueError("the module calls no fused multiply-add")
    result = _HEADER
    for kind, _ in sections(module):
        if kind != _CUSTOM:
            result += bytes((kind,)) + leb(len(rewritten[kind])) + rewritten[kind]
    return result


def exported(section: bytes, name: bytes) -> int:
    """The index of an exported function. Raises ValueError where there is none."""
    reader = Reader(section)
    for _ in range(reader.number()):
        found, kind, index = reader.take(reader.number()), reader.byte(), reader.number()
        if found == name and kind == 0:
            return index
    raise ValueError(f"the module exports no {name.decode()}")


def rewrite(code: bytes, replace: Callable[[int, int, bytes], bytes]) -> bytes:
    """Every function, each instruction replaced by what `replace` makes of (opcode, first operand,
    bytes). Opcodes behind a prefix are prefix << 16 | number."""
    reader = Reader(code)
    count = reader.number()
    result = leb(count)
    for _ in range(count):
        end = reader.number() + reader.place
        begin = reader.place
        for _ in range(reader.number()):  # locals: how many, of which type
            reader.number()
            reader.byte()
        body = code[begin : reader.place]
        while reader.place < end:
            start = reader.place
            opcode, operand = instruction(reader)
            body += replace(opcode, operand, code[start : reader.place])
        if reader.place != end:
            raise ValueError("a function ends inside an instruction")
        result += leb(len(body)) + body
    return result


def instruction(reader: Reader) -> tuple[int, int]:
    """Read past one instruction: (opcode, its first operand or 0)."""
    opcode = reader.byte()
    if opcode in (0xFC, 0xFD):
        opcode = opcode << 16 | reader.number()
        return opcode, _prefixed(reader, opcode)
    if opcode in (0x00, 0x01, 0x05, 0x0B, 0x0F, 0x1A, 0x1B) or 0x45 <= opcode <= 0xC4:
        return opcode, 0
    if opcode in (0x02, 0x03, 0x04, 0x0C, 0x0D, _CALL, 0x3F, 0x40, 0x41, 0x42):
        return opcode, reader.number()
    if 0x20 <= opcode <= 0x24:
        return opcode, reader.number()
    if opcode == 0x11 or 0x28 <= opcode <= 0x3E:
        return opcode, reader.number() + 0 * reader.number()
    if opcode == 0x0E:
        for _ in range(reader.number() + 1):
            reader.number()
    elif opcode in (0x43, 0x44):
        reader.skip(4 if opcode == 0x43 else 8)
    else:
        raise ValueError(f"the instruction {opcode:#x} isn't known")
    return opcode, 0


def _prefixed(reader: Reader, opcode: int) -> int:
    number = opcode & 0xFFFF
    if opcode >> 16 == 0xFC:
        if number not in (*range(8), 10, 11):
            raise ValueError(f"the instruction 0xfc {number} isn't known")
        reader.skip({10: 2, 11: 1}.get(number, 0))
        return 0
    if number <= 11 or 84 <= number <= 93:
        operand = reader.number()
        reader.number()
        reader.skip(1 if 84 <= number <= 91 else 0)
        return operand
    if number in (12, 13):
        reader.skip(16)
    elif 21 <= number <= 34:
        reader.skip(1)
    return 0


def relaxed_instructions(module: bytes) -> set[int]:
    """The numbers of relaxed SIMD's instructions that a module has, behind their prefix."""
    found: set[int] = set()

    def look(opcode: int, operand: int, written: bytes) -> bytes:
        del operand
        if opcode >> 16 == 0xFD and opcode & 0xFFFF >= 0x100:
            found.add(opcode & 0xFFFF)
        return written

    rewrite(dict(sections(module))[_CODE], look)
    return found
