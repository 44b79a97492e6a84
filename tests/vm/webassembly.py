"""Translation of a program to a WebAssembly module, without gas: the one-to-one mapping in use.

A WebAssembly engine is the third opinion on what programs compute. Addresses are narrowed by a
helper that traps from 2^32 on; conditions and comparisons convert between i32 and i64.
"""

from __future__ import annotations

from msgspec.structs import astuple

from synnergy.vm.program import Function, Program, decode_instructions

I32, I64 = b"\x7f", b"\x7e"
OPERATORS = {
    "I64_EQZ": 0x50,
    **{
        f"I64_{name}": 0x51 + position
        for position, name in enumerate(
            ("EQ", "NE", "LT_S", "LT_U", "GT_S", "GT_U", "LE_S", "LE_U", "GE_S", "GE_U")
        )
    },
    **{
        f"I64_{name}": 0x79 + position
        for position, name in enumerate(
            (
                *("CLZ", "CTZ", "POPCNT", "ADD", "SUB", "MUL", "DIV_S", "DIV_U", "REM_S"),
                *("REM_U", "AND", "OR", "XOR", "SHL", "SHR_S", "SHR_U", "ROTL", "ROTR"),
            )
        )
    },
    "I64_EXTEND8_S": 0xC2,
    "I64_EXTEND16_S": 0xC3,
    "I64_EXTEND32_S": 0xC4,
    "I64_LOAD64": 0x29,
    "I64_LOAD8_S": 0x30,
    "I64_LOAD8_U": 0x31,
    "I64_LOAD16_S": 0x32,
    "I64_LOAD16_U": 0x33,
    "I64_LOAD32_S": 0x34,
    "I64_LOAD32_U": 0x35,
    "I64_STORE64": 0x37,
    "I64_STORE8": 0x3C,
    "I64_STORE16": 0x3D,
    "I64_STORE32": 0x3E,
    "UNREACHABLE": 0x00,
    "NOP": 0x01,
    "BLOCK": 0x02,
    "LOOP": 0x03,
    "ELSE": 0x05,
    "END": 0x0B,
    "BR": 0x0C,
    "RETURN": 0x0F,
    "DROP": 0x1A,
    "LOCAL_GET": 0x20,
    "LOCAL_SET": 0x21,
    "LOCAL_TEE": 0x22,
}
#: Imports from "host", then helpers, then the program's functions; with (parameters, results).
IMPORTS = {
    "INPUT_SIZE": (0, 1),
    "INPUT_COPY": (3, 0),
    "OUTPUT_SET": (2, 0),
    "REVERT": (2, 0),
    "BLOCK_HEIGHT": (0, 1),
    "BLOCK_TIME": (0, 1),
    "SHA256": (3, 0),
    "STORAGE_READ": (4, 1),
    "STORAGE_WRITE": (4, 0),
    "EVENT": (4, 0),
    "SELF": (1, 0),
    "CALLER": (1, 0),
    "ORIGIN": (1, 0),
    "BALANCE": (2, 1),
}
HELPERS = ("narrow", "MEMORY_GROW", "MEMORY_COPY", "MEMORY_FILL")
NARROW, GROW, COPY, FILL = range(len(IMPORTS), len(IMPORTS) + len(HELPERS))
FIRST = len(IMPORTS) + len(HELPERS)


def unsigned(value: int) -> bytes:
    out = bytearray()
    while True:
        byte, value = value & 0x7F, value >> 7
        out.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(out)


def signed(value: int) -> bytes:
    out = bytearray()
    while True:
        byte, value = value & 0x7F, value >> 7
        if value == (-1 if byte & 0x40 else 0):
            out.append(byte)
            return bytes(out)
        out.append(byte | 0x80)


def vector(items: list[bytes]) -> bytes:
    return unsigned(len(items)) + b"".join(items)


def section(number: int, content: bytes) -> bytes:
    return bytes([number]) + unsigned(len(content)) + content


def signature(parameters: int, results: int) -> bytes:
    return b"\x60" + vector([I64] * parameters) + vector([I64] * results)


def body(locals: int, code: bytes) -> bytes:
    declared = vector([unsigned(locals) + I64]) if locals else vector([])
    return unsigned(len(declared + code)) + declared + code


def local(index: int) -> bytes:
    return b"\x20" + unsigned(index)


def call(index: int) -> bytes:
    return b"\x10" + unsigned(index)


def ranges(operation: bytes, *, narrowed: tuple[bool, bool, bool]) -> bytes:
    arguments = b"".join(
        local(index) + (call(NARROW) if narrow else b"\xa7")
        for index, narrow in enumerate(narrowed)
    )
    return arguments + operation + b"\x0b"


def segment(address: int, content: bytes) -> bytes:
    """An active segment of memory 0, at a constant address."""
    return b"\x00\x41" + signed(address) + b"\x0b" + unsigned(len(content)) + content


def translate(program: Program) -> bytes:
    """The module: exports "main" (function 0) and "memory"."""
    types = [signature(*shape) for shape in IMPORTS.values()]
    types += [b"\x60" + vector([I64]) + vector([I32]), signature(1, 1)]
    types += [signature(3, 0), signature(3, 0)]
    types += [signature(function.parameters, function.results) for function in program.functions]
    imports = [
        unsigned(4) + b"host" + unsigned(len(name)) + name.encode() + b"\x00" + unsigned(index)
        for index, name in enumerate(IMPORTS)
    ]
    too_large = b"\x42" + signed(32) + b"\x88\x50\x45\x04\x40\x00\x0b"
    narrow = local(0) + too_large + local(0) + b"\xa7\x0b"
    past_cap = local(0) + b"\x42" + signed(64) + b"\x56\x04\x40\x42\x7f\x0f\x0b"
    grow = past_cap + local(0) + b"\xa7\x40\x00\xac\x0b"
    copy = ranges(b"\xfc\x0a\x00\x00", narrowed=(True, True, True))
    fill = ranges(b"\xfc\x0b\x00", narrowed=(True, False, True))
    bodies = [body(0, code) for code in (narrow, grow, copy, fill)]
    # One local more than declared, for the value of a store.
    bodies += [
        body(function.locals + 1, translate_code(function)) for function in program.functions
    ]
    defined = range(len(IMPORTS), len(types))
    return b"".join(
        (
            b"\x00asm\x01\x00\x00\x00",
            section(1, vector(types)),
            section(2, vector(imports)),
            section(3, vector([unsigned(index) for index in defined])),
            section(5, vector([b"\x01" + unsigned(program.memory_pages) + unsigned(64)])),
            section(
                7,
                vector([b"\x04main\x00" + unsigned(FIRST), b"\x06memory\x02\x00"]),
            ),
            section(10, vector(bodies)),
            section(11, vector([segment(*astuple(entry)) for entry in program.data])),
        )
    )


def translate_code(function: Function) -> bytes:
    instructions = decode_instructions(function.code)
    assert isinstance(instructions, tuple)
    out: list[bytes] = []
    for instruction in instructions:
        name = instruction.opcode.name.removeprefix("CORE_")
        immediate = instruction.immediate
        if name == "I64_CONST":
            out.append(b"\x42" + signed(immediate))
        elif name in ("BLOCK", "LOOP", "IF"):
            kind = I64 if immediate else b"\x40"
            test = b"\x42\x00\x52\x04" if name == "IF" else bytes([OPERATORS[name]])
            out.append(test + kind)
        elif name == "BR_IF":
            out.append(b"\x42\x00\x52\x0d" + unsigned(immediate))
        elif name == "SELECT":
            out.append(b"\x42\x00\x52\x1b")
        elif name == "CALL":
            out.append(call(FIRST + immediate))
        elif name.startswith("I64_LOAD"):
            code = bytes([OPERATORS[name]])
            out.append(call(NARROW) + code + b"\x00" + unsigned(immediate))
        elif name.startswith("I64_STORE"):
            scratch = unsigned(function.parameters + function.locals)
            swap = b"\x21" + scratch + call(NARROW) + b"\x20" + scratch
            out.append(swap + bytes([OPERATORS[name]]) + b"\x00" + unsigned(immediate))
        elif name == "MEMORY_SIZE":
            out.append(b"\x3f\x00\xad")
        elif name in HELPERS:
            out.append(call(len(IMPORTS) + HELPERS.index(name)))
        elif name == "REVERT":
            out.append(call(list(IMPORTS).index(name)) + b"\x00")
        elif name in IMPORTS:
            out.append(call(list(IMPORTS).index(name)))
        else:
            out.append(bytes([OPERATORS[name]]))
            if name in ("BR", "LOCAL_GET", "LOCAL_SET", "LOCAL_TEE"):
                out.append(unsigned(immediate))
            elif 0x51 <= OPERATORS[name] <= 0x5A or name == "I64_EQZ":
                out.append(b"\xad")
    return b"".join(out)
