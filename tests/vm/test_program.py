"""VM-2, VM-3: programs and instructions as bytes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synnergy.rejected import Rejected
from synnergy.vm import catalogue
from synnergy.vm.catalogue import Immediate
from synnergy.vm.program import (
    MAX_FUNCTION_BYTES,
    MAX_PROGRAM_BYTES,
    Function,
    Program,
    Segment,
    decode_instructions,
    decode_program,
    encode_program,
    function,
    immediate_of,
    instruction,
    program,
)

from .generator import random_program
from .support import const, core


def rejected_code(value: object) -> str:
    assert isinstance(value, Rejected), value
    return value.code


def test_the_encoding_is_this() -> None:
    encoded = encode_program(program(function(const(-1)), memory_pages=1))
    assert encoded.hex() == "93019194000000c40e000100" + "ff" * 8 + "000006" + "90"


def test_the_encoding_of_data_is_this() -> None:
    encoded = encode_program(program(function(), memory_pages=1, data=(Segment(256, b"hi"),)))
    assert encoded.hex() == "93019194000000c403000006" + "9192cd0100c4026869"


@given(st.integers(0, 10_000))
@settings(max_examples=50)
def test_encoding_and_decoding_are_inverse(seed: int) -> None:
    original = random_program(seed)
    assert decode_program(encode_program(original)) == original


def test_every_instruction_encodes_and_decodes() -> None:  # VM-3
    for opcode in catalogue.core():
        kind = immediate_of(opcode)
        for value in {
            Immediate.NONE: [None],
            Immediate.INTEGER: [0, -1, 2**63 - 1, -(2**63)],
            Immediate.ARITY: [0, 1],
        }.get(kind, [0, 1, 2**32 - 1]):
            code = instruction(opcode.name, value)
            assert len(code) == 3 + kind.width
            decoded = decode_instructions(core("NOP") + code)
            assert isinstance(decoded, tuple)
            assert (decoded[1].opcode, decoded[1].immediate) == (opcode, value or 0)
            assert decoded[1].offset == 3
            for cut in range(1, len(code)):
                assert rejected_code(decode_instructions(code[:-cut])) in (
                    "truncated",
                    "unknown_opcode",
                )


def test_unsigned_constants_are_the_same_as_signed() -> None:
    assert const(2**64 - 1) == const(-1)
    assert const(2**63) == const(-(2**63))


@pytest.mark.parametrize(
    ("name", "immediate"),
    [
        ("CORE_JUMP", None),
        ("CORE_NOP", 0),
        ("CORE_I64_CONST", None),
        ("CORE_I64_CONST", 2**64),
        ("CORE_I64_CONST", -(2**63) - 1),
        ("CORE_BLOCK", 2),
        ("CORE_BLOCK", -1),
        ("CORE_LOCAL_GET", -1),
        ("CORE_BR", 2**32),
    ],
)
def test_the_builder_refuses_nonsense(name: str, immediate: int | None) -> None:
    with pytest.raises(ValueError):
        instruction(name, immediate)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (b"\xff\xff\xff", "unknown_opcode"),
        (b"\x00", "unknown_opcode"),
        (b"\x00\x00", "unknown_opcode"),
        (b"\x00\x00\x02", "truncated"),
        (b"\x00\x00\x02\x02", "bad_arity"),
        (b"\x00\x00\x02\xff", "bad_arity"),
        (b"\x00\x01\x00" + bytes(7), "truncated"),
    ],
)
def test_bad_code_is_refused(code: bytes, reason: str) -> None:  # VM-3
    assert rejected_code(decode_instructions(code)) == reason


@pytest.mark.parametrize(
    "shape",
    [
        [0, [], []],
        [65, [[0, 0, 0, b""]], []],
        [-1, [[0, 0, 0, b""]], []],
        [0, [[0, 2, 0, b""]], []],
        [0, [[257, 0, 0, b""]], []],
        [0, [[0, 0, 257, b""]], []],
        [0, [[0, 0, 0, b"", 0]], []],
        [0, [[0, 0, 0]], []],
        [0, [[0, 0, 0, "text"]], []],
        [0, [[0, 0, 0, b""]]],
        [0, [[0, 0, 0, b""]], 0],
        [0, [[0, 0, 0, b""]], [], 0],
        [0, [[0, 0, 0, b""]] * 257, []],
        [0, [[0, 0, 0, bytes(MAX_FUNCTION_BYTES + 1)]], []],
        [64, [[0, 0, 0, b""]], [[0, b"x"]] * 65],
        [64, [[0, 0, 0, b""]], [[0, b""]]],
        [64, [[0, 0, 0, b""]], [[-1, b"x"]]],
        [64, [[0, 0, 0, b""]], [[64 * 65_536, b"x"]]],
        [64, [[0, 0, 0, b""]], [[0, b"x", 0]]],
        [64, [[0, 0, 0, b""]], [[0]]],
        [64, [[0, 0, 0, b""]], [[0, "text"]]],
        {"memory_pages": 0, "functions": [], "data": []},
        None,
        7,
    ],
)
def test_wrong_shapes_are_refused(shape: object) -> None:  # VM-2, VM-4
    assert isinstance(decode_program(msgspec.msgpack.encode(shape)), Rejected)


def test_only_the_canonical_encoding_is_accepted() -> None:  # VM-2
    encoded = encode_program(program(function()))
    assert encoded == bytes.fromhex("93009194000000c40300000690")
    longer = bytes.fromhex("93cc009194000000c40300000690")
    assert msgspec.msgpack.decode(longer, type=Program) == decode_program(encoded)
    assert rejected_code(decode_program(longer)) == "not_canonical"
    assert isinstance(decode_program(encoded + b"\x00"), Rejected)


def test_a_program_has_a_greatest_size() -> None:  # VM-2
    full = Function(0, 0, 0, bytes(MAX_FUNCTION_BYTES))
    assert rejected_code(decode_program(encode_program(program(full, full)))) == "too_large"
    assert MAX_PROGRAM_BYTES == 65_536


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    result = decode_program(data)
    if isinstance(result, Program):
        assert encode_program(result) == data
    decode_instructions(data)
