"""Changes to an input that leave it well formed, so that they reach what lies behind the decoder.

Each is a function of (data, random, bytes_mutator) and gives back bytes for any bytes.
"""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any

import msgspec

from fuzz.target import MutateBytes
from synnergy.rejected import Rejected
from synnergy.vm import catalogue
from synnergy.vm.program import (
    OPCODE_BYTES,
    Function,
    decode_instructions,
    decode_program,
    encode_program,
    immediate_of,
)

INTEGERS = (0, 1, -1, 2, 63, 64, 127, 128, 255, 256, 65_535, 65_536, 10**6, 2**31, 2**32, 2**53)
INTEGERS += (2**53 - 1, 2**63 - 1, 2**63, 2**64 - 1, -(2**31), -(2**63))
TEXTS = ("", "a", "å", "\n", "x" * 70, "ok", "refused", "../x", "-1", "GB", "\U0001f600")


# ---- msgpack -----------------------------------------------------------------------------------


def message(data: bytes, random: Random, mutate_bytes: MutateBytes) -> bytes:
    """Change a value or two somewhere inside, messages within bytes included."""
    try:
        value = msgspec.msgpack.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError):
        return mutate_bytes(data, len(data) + 64)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        value = _changed(value, random, mutate_bytes)
    try:
        return msgspec.msgpack.encode(value)
    except (OverflowError, UnicodeError, TypeError, RecursionError):
        return data


def _changed(value: Any, random: Random, mutate_bytes: MutateBytes) -> Any:
    if isinstance(value, dict) and value and random.random() < 0.93:
        name = random.choice(list(value))
        return value | {name: _changed(value[name], random, mutate_bytes)}
    if isinstance(value, list) and value and random.random() < 0.85:
        place = random.randrange(len(value))
        inner = _changed(value[place], random, mutate_bytes)
        return [*value[:place], inner, *value[place + 1 :]]
    return _other(value, random, mutate_bytes)


def _other(value: Any, random: Random, mutate_bytes: MutateBytes) -> Any:
    if isinstance(value, bool) or value is None:
        return random.choice((True, False, None, 0, b"", "", bytes(32)))
    if isinstance(value, int):
        near = value + random.choice((-1, 1, 2, -value, value))
        return random.choice((*INTEGERS, near, near, near, near))
    if isinstance(value, bytes):
        return _other_bytes(value, random, mutate_bytes)
    if isinstance(value, str):
        mixed = value[: random.randrange(len(value) + 1)] + random.choice(TEXTS)
        return random.choice((*TEXTS, mixed, value + value[:5], value.upper(), None))
    if isinstance(value, list):
        return _other_list(value, random)
    if isinstance(value, dict):
        return {name: item for name, item in value.items() if random.random() < 0.9}
    return random.choice((0, None, 1.5, float("nan")))


def _other_bytes(value: bytes, random: Random, mutate_bytes: MutateBytes) -> bytes | None:
    choice = random.random()
    if choice < 0.4 and len(value) not in (32, 64):
        return message(value, random, mutate_bytes)
    if choice < 0.8 and value:
        place = random.randrange(len(value))
        flipped = value[place] ^ 1 << random.randrange(8)
        return value[:place] + bytes([flipped]) + value[place + 1 :]
    if choice < 0.95:
        return random.choice((b"", bytes(32), bytes(len(value)), value[:-1], value + b"\0"))
    return None


def _other_list(value: list[Any], random: Random) -> list[Any] | None:
    items = list(value)
    choice = random.randrange(6)
    if choice == 0:
        return None
    if choice == 1 or not items:
        return []
    place = random.randrange(len(items))
    if choice == 2:
        del items[place]
    elif choice == 3:
        items.insert(random.randrange(len(items) + 1), items[place])
    elif choice == 4:
        random.shuffle(items)
    else:
        items = items[: place + 1] * random.choice((2, 3, 20))
    return items


# ---- programs ----------------------------------------------------------------------------------


def program(data: bytes, random: Random, mutate_bytes: MutateBytes) -> bytes:
    """Change, drop, double or insert instructions; now and then the program around them."""
    decoded = decode_program(data)
    if isinstance(decoded, Rejected) or random.random() < 0.1:
        return message(data, random, mutate_bytes)
    functions = list(decoded.functions)
    place = random.randrange(len(functions))
    function = functions[place]
    instructions = decode_instructions(function.code)
    if isinstance(instructions, Rejected):
        return message(data, random, mutate_bytes)
    pieces = [
        function.code[one.offset : one.offset + OPCODE_BYTES + immediate_of(one.opcode).width]
        for one in instructions
    ]
    for _ in range(random.choice((1, 1, 2, 5))):
        at = random.randrange(len(pieces) + 1)
        choice = random.randrange(5)
        if choice == 0 or not pieces:
            pieces.insert(at, _instruction(random))
        elif choice == 1:
            del pieces[at : at + random.choice((1, 1, 2, 5))]
        elif choice == 2:
            pieces[at : at + 1] = [_instruction(random)]
        elif choice == 3:
            end = min(len(pieces), at + random.randrange(1, 12))
            pieces[at:at] = pieces[at:end] * random.choice((1, 1, 3))
        else:
            pieces[at:at] = [_constant(random) for _ in range(random.randrange(1, 5))]
    code = b"".join(pieces)[:32_768]
    functions[place] = Function(function.parameters, function.results, function.locals, code)
    if random.random() < 0.1:
        functions.append(random.choice(functions))
    return encode_program(msgspec.structs.replace(decoded, functions=tuple(functions[:256])))


def _instruction(random: Random) -> bytes:
    known = (*catalogue.core(), *catalogue.core(), *catalogue.domain())
    opcode = random.choice(known)
    width = immediate_of(opcode).width
    number = random.choice((0, 0, 1, 2, 3, random.choice(INTEGERS))) % 256**width
    return opcode.code.to_bytes(OPCODE_BYTES, "big") + number.to_bytes(width, "big")


def _constant(random: Random) -> bytes:
    opcode = catalogue.by_name("CORE_I64_CONST")
    assert opcode is not None
    number = random.choice(INTEGERS) % 2**64
    return opcode.code.to_bytes(OPCODE_BYTES, "big") + number.to_bytes(8, "big")


# ---- texts -------------------------------------------------------------------------------------

_PIECES = re.compile(r"\w+|\s+|.", re.DOTALL)


def text(data: bytes, random: Random, mutate_bytes: MutateBytes) -> bytes:
    """Move, double, drop and multiply runs of words and signs."""
    try:
        pieces = _PIECES.findall(data.decode())
    except UnicodeDecodeError:
        return mutate_bytes(data, len(data) + 64)
    if not pieces or random.random() < 0.3:
        return mutate_bytes(data, len(data) + 64)
    for _ in range(random.choice((1, 1, 2, 4))):
        start = random.randrange(len(pieces) + 1)
        end = min(len(pieces), start + random.choice((1, 1, 2, 5, 20)))
        run = pieces[start:end]
        if random.random() < 0.5:
            del pieces[start:end]
        place = random.randrange(len(pieces) + 1)
        pieces[place:place] = run * random.choice((0, 1, 1, 2, 16))
    return "".join(pieces).encode()


def document(data: bytes, random: Random, mutate_bytes: MutateBytes) -> bytes:
    """Change values of a JSON document."""
    if random.random() < 0.2:
        return mutate_bytes(data, len(data) + 64)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return text(data, random, mutate_bytes)

    def plain(_: bytes, most: int) -> bytes:
        return b""

    for _ in range(random.choice((1, 1, 2))):
        value = _changed(value, random, plain)
    return json.dumps(value, default=lambda other: other.hex()).encode("utf-8", "replace")
