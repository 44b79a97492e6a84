"""A second machine, written from spec/vm.md alone: one instruction at a time on raw bytes.

It shares with the interpreter only the numbers of the opcodes. It keeps a real operand stack and
labels, searches for block ends at run time, calls recursively, and sums a basic block's gas by
reading ahead. Slow and plain on purpose. It expects a program that the verifier accepted.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction

from synnergy.vm import catalogue
from synnergy.vm.machine import Environment
from synnergy.vm.program import Program

NAMES = {opcode.code: opcode.name.removeprefix("CORE_") for opcode in catalogue.core()}
BLOCK_ENDS = {
    *("LOOP", "IF", "ELSE", "END", "BR", "BR_IF", "RETURN", "CALL", "UNREACHABLE", "REVERT")
}
WIDTHS = {"I64_CONST": 8, "BLOCK": 1, "LOOP": 1, "IF": 1, "BR": 4, "BR_IF": 4, "CALL": 4}


EVENT_NAME = set(b"abcdefghijklmnopqrstuvwxyz0123456789._-")
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


class Stop(Exception):
    def __init__(self, status: str, output: bytes = b"") -> None:
        self.status = status
        self.output = output


@dataclass
class Label:
    kind: str
    start: int
    height: int
    results: int


def width(name: str) -> int:
    if name.startswith(("LOCAL_", "I64_LOAD", "I64_STORE")):
        return 4
    return WIDTHS.get(name, 0)


def wrap(value: int) -> int:
    return value % 2**64


def sign(word: int) -> int:
    return int.from_bytes(word.to_bytes(8, "big"), "big", signed=True)


def bits(word: int) -> str:
    return format(word, "064b")


def from_bits(text: str) -> int:
    return int(text, 2)


def quotient(a: int, b: int) -> int:
    if b == 0:
        raise Stop("trap")
    return int(Fraction(a, b))


def signed_quotient(a: int, b: int) -> int:
    result = quotient(sign(a), sign(b))
    if result == 2**63:
        raise Stop("trap")
    return result


def extend(word: int, size: int) -> int:
    return int.from_bytes(word.to_bytes(8, "little")[:size], "little", signed=True)


def bech32_address(text: str) -> bool:
    """BIP 173's checksum over the prefix `syn` and 38 characters."""
    if len(text) != 42 or text[:4] != "syn1" or set(text[4:]) - set(BECH32):
        return False
    prefix = [ord(letter) // 32 for letter in "syn"] + [0] + [ord(letter) % 32 for letter in "syn"]
    checksum = 1
    for value in [*prefix, *(BECH32.index(letter) for letter in text[4:])]:
        top, checksum = checksum >> 25, (checksum & 0x1FFFFFF) << 5 ^ value
        for bit, mask in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            if top >> bit & 1:
                checksum ^= mask
    return checksum == 1


BINARY = {
    "ADD": lambda a, b: a + b,
    "SUB": lambda a, b: a - b,
    "MUL": lambda a, b: a * b,
    "DIV_U": quotient,
    "DIV_S": signed_quotient,
    "REM_U": lambda a, b: a - b * quotient(a, b),
    "REM_S": lambda a, b: sign(a) - sign(b) * quotient(sign(a), sign(b)),
    "AND": lambda a, b: from_bits(
        "".join("1" if x + y == "11" else "0" for x, y in zip(bits(a), bits(b), strict=True))
    ),
    "OR": lambda a, b: from_bits(
        "".join("0" if x + y == "00" else "1" for x, y in zip(bits(a), bits(b), strict=True))
    ),
    "XOR": lambda a, b: from_bits(
        "".join("0" if x == y else "1" for x, y in zip(bits(a), bits(b), strict=True))
    ),
    "SHL": lambda a, b: a * 2 ** (b % 64),
    "SHR_U": lambda a, b: a // 2 ** (b % 64),
    "SHR_S": lambda a, b: sign(a) // 2 ** (b % 64),
    "ROTL": lambda a, b: from_bits(bits(a)[b % 64 :] + bits(a)[: b % 64]),
    "ROTR": lambda a, b: from_bits(bits(a)[64 - b % 64 :] + bits(a)[: 64 - b % 64]),
    "EQ": lambda a, b: a == b,
    "NE": lambda a, b: a != b,
    "LT_U": lambda a, b: a < b,
    "GT_U": lambda a, b: a > b,
    "LE_U": lambda a, b: a <= b,
    "GE_U": lambda a, b: a >= b,
    "LT_S": lambda a, b: sign(a) < sign(b),
    "GT_S": lambda a, b: sign(a) > sign(b),
    "LE_S": lambda a, b: sign(a) <= sign(b),
    "GE_S": lambda a, b: sign(a) >= sign(b),
}
UNARY = {
    "EQZ": lambda a: a == 0,
    "CLZ": lambda a: len(bits(a).split("1")[0]),
    "CTZ": lambda a: len(bits(a).split("1")[-1]),
    "POPCNT": lambda a: bits(a).count("1"),
    "EXTEND8_S": lambda a: extend(a, 1),
    "EXTEND16_S": lambda a: extend(a, 2),
    "EXTEND32_S": lambda a: extend(a, 4),
}


class Stepper:
    def __init__(
        self,
        program: Program,
        input: bytes,
        gas: int,
        environment: Environment,
        prices: dict[str, int],
        storage: dict[bytes, bytes] | None = None,
        balances: dict[str, int] | None = None,
    ) -> None:
        self.program = program
        self.input = input
        self.limit = self.gas = gas
        self.environment = environment
        self.prices = prices
        self.storage = storage
        self.balances = balances or {}
        self.events: list[tuple[str, bytes]] = []
        self.memory: list[int] = []
        self.output = b""
        self.depth = 0
        self.where = (0, 0)
        self.codes = [self.parse(function.code) for function in program.functions]

    @staticmethod
    def parse(code: bytes) -> list[tuple[int, str, int]]:
        rows: list[tuple[int, str, int]] = []
        at = 0
        while at < len(code):
            name = NAMES[int.from_bytes(code[at : at + 3], "big")]
            end = at + 3 + width(name)
            rows.append((at, name, int.from_bytes(code[at + 3 : end], "big")))
            at = end
        return rows

    def run(self) -> tuple[str, bytes, int, tuple[int, int] | None]:
        """(status, output, gas used, where it halted)."""
        try:
            self.grow(self.program.memory_pages)
            for segment in self.program.data:
                self.charge_blocks("units.copy_block", len(segment.content))
                for position, byte in enumerate(segment.content, segment.address):
                    self.memory[position] = byte
            self.call(0, [])
        except Stop as stop:
            if stop.status != "reverted":
                self.gas = 0
            return stop.status, stop.output, self.limit - self.gas, self.where
        return "ok", self.output, self.limit - self.gas, None

    def charge(self, amount: int) -> None:
        if amount > self.gas:
            raise Stop("out_of_gas")
        self.gas -= amount

    def charge_blocks(self, unit: str, length: int) -> None:
        while length > 0:
            self.charge(self.prices[unit])
            length -= 64

    def enter(self, function: int, pc: int) -> int:
        """Pay for the basic block that begins at instruction `pc`, if there is one."""
        rows = self.codes[function]
        if pc < len(rows):
            self.where = (function, rows[pc][0])
            total = 0
            for _, name, _ in rows[pc:]:
                total += self.prices["CORE_" + name]
                if name in BLOCK_ENDS:
                    break
            self.charge(total)
        return pc

    def matching(self, function: int, pc: int, *names: str) -> int:
        """The instruction of these names that belongs to the construct open at `pc`."""
        depth = 0
        for position in range(pc, len(self.codes[function])):
            name = self.codes[function][position][1]
            if depth == 0 and name in names:
                return position
            if name in ("BLOCK", "LOOP", "IF"):
                depth += 1
            elif name == "END":
                depth -= 1
        raise AssertionError("a verified program is well matched")

    def call(self, function: int, arguments: list[int]) -> list[int]:
        if self.depth == 64:
            raise Stop("trap")
        self.depth += 1
        result = self.frame(function, arguments)
        self.depth -= 1
        return result

    def frame(self, function: int, arguments: list[int]) -> list[int]:
        declared = self.program.functions[function]
        locals = arguments + [0] * declared.locals
        stack: list[int] = []
        labels: list[Label] = []
        pc = self.enter(function, 0)

        def pop(count: int) -> list[int]:
            values = stack[len(stack) - count :]
            del stack[len(stack) - count :]
            return values

        def branch(depth: int) -> int | None:
            if depth == len(labels):
                return None
            label = labels[-1 - depth]
            if label.kind == "LOOP":
                del labels[len(labels) - depth :]
                del stack[label.height :]
                return label.start
            values = pop(label.results)
            del stack[label.height :]
            stack.extend(values)
            del labels[len(labels) - depth - 1 :]
            return self.matching(function, label.start, "END") + 1

        while True:
            offset, name, immediate = self.codes[function][pc]
            self.where = (function, offset)
            pc += 1
            if name in ("BLOCK", "LOOP", "IF"):
                condition = pop(1)[0] if name == "IF" else 1
                labels.append(Label(name, pc, len(stack), immediate))
                if not condition:
                    pc = self.matching(function, pc, "ELSE", "END") + 1
                    if self.codes[function][pc - 1][1] == "END":
                        labels.pop()
                if name != "BLOCK":
                    self.enter(function, pc)
            elif name == "ELSE":
                pc = self.matching(function, pc, "END") + 1
                labels.pop()
                self.enter(function, pc)
            elif name == "END":
                if not labels:
                    return pop(declared.results)
                labels.pop()
                self.enter(function, pc)
            elif name in ("BR", "BR_IF"):
                if name == "BR" or pop(1)[0]:
                    target = branch(immediate)
                    if target is None:
                        return pop(declared.results)
                    pc = target
                if pc == len(self.codes[function]):
                    return pop(declared.results)
                self.enter(function, pc)
            elif name == "RETURN":
                return pop(declared.results)
            elif name == "CALL":
                callee = self.program.functions[immediate]
                stack.extend(self.call(immediate, pop(callee.parameters)))
                self.enter(function, pc)
            elif name == "LOCAL_GET":
                stack.append(locals[immediate])
            elif name == "LOCAL_SET":
                locals[immediate] = stack.pop()
            elif name == "LOCAL_TEE":
                locals[immediate] = stack[-1]
            elif name == "DROP":
                stack.pop()
            elif name == "SELECT":
                first, second, condition = pop(3)
                stack.append(first if condition else second)
            elif name == "NOP":
                pass
            elif name == "UNREACHABLE":
                raise Stop("trap")
            elif name == "I64_CONST":
                stack.append(immediate)
            elif name.removeprefix("I64_") in BINARY:
                first, second = pop(2)
                stack.append(wrap(int(BINARY[name.removeprefix("I64_")](first, second))))
            elif name.removeprefix("I64_") in UNARY:
                stack.append(wrap(int(UNARY[name.removeprefix("I64_")](stack.pop()))))
            else:
                self.surroundings(name, immediate, stack, pop)

    def grow(self, pages: int) -> None:
        self.charge(self.prices["units.memory_page"] * (len(self.memory) // 65_536 + pages))
        self.memory += [0] * (65_536 * pages)

    def check(self, address: int, length: int) -> None:
        if address + length > len(self.memory):
            raise Stop("trap")

    def surroundings(self, name: str, immediate: int, stack: list[int], pop) -> None:
        if name.startswith("I64_LOAD"):
            size = int(name.removeprefix("I64_LOAD").split("_")[0]) // 8
            address = stack.pop() + immediate
            self.check(address, size)
            raw = bytes(self.memory[address : address + size])
            stack.append(wrap(int.from_bytes(raw, "little", signed=name.endswith("_S"))))
        elif name.startswith("I64_STORE"):
            size = int(name.removeprefix("I64_STORE")) // 8
            address, value = pop(2)
            address += immediate
            self.check(address, size)
            self.memory[address : address + size] = value.to_bytes(8, "little")[:size]
        elif name == "MEMORY_SIZE":
            stack.append(len(self.memory) // 65_536)
        elif name == "MEMORY_GROW":
            pages, old = stack.pop(), len(self.memory) // 65_536
            if old + pages > 64:
                stack.append(2**64 - 1)
                return
            if pages:
                self.grow(pages)
            stack.append(old)
        elif name in ("MEMORY_COPY", "MEMORY_FILL", "INPUT_COPY"):
            destination, source, length = pop(3)
            self.check(destination, length)
            if name == "MEMORY_COPY":
                self.check(source, length)
                data = self.memory[source : source + length]
            elif name == "MEMORY_FILL":
                data = [source % 256] * length
            else:
                if source + length > len(self.input):
                    raise Stop("trap")
                data = list(self.input[source : source + length])
            self.charge_blocks("units.copy_block", length)
            self.memory[destination : destination + length] = data
        elif name in ("OUTPUT_SET", "REVERT"):
            address, length = pop(2)
            self.check(address, length)
            self.charge_blocks("units.copy_block", length)
            data = bytes(self.memory[address : address + length])
            if name == "REVERT":
                raise Stop("reverted", data)
            self.output = data
        elif name == "SHA256":
            address, length, destination = pop(3)
            self.check(destination, 32)
            self.check(address, length)
            self.charge_blocks("units.hash_block", length)
            digest = hashlib.sha256(bytes(self.memory[address : address + length])).digest()
            self.memory[destination : destination + 32] = digest
        elif name == "INPUT_SIZE":
            stack.append(len(self.input))
        elif name == "GAS_LEFT":
            stack.append(self.gas)
        elif name == "BLOCK_HEIGHT":
            stack.append(self.environment.height)
        elif name == "BLOCK_TIME":
            stack.append(self.environment.time)
        elif name in ("SELF", "CALLER", "ORIGIN"):
            destination = stack.pop()
            self.check(destination, 42)
            whose = {"SELF": "address"}.get(name, name.lower())
            text = getattr(self.environment, whose)
            self.memory[destination : destination + 42] = text.encode()
        elif name == "BALANCE":
            address, length = pop(2)
            text = self.bytes_at(address, length).decode("latin-1")
            if not bech32_address(text):
                raise Stop("trap")
            stack.append(self.balances.get(text, 0))
        elif name == "EVENT":
            address, length, data, size = pop(4)
            label, content = self.bytes_at(address, length), self.bytes_at(data, size)
            if len(content) > 1_024 or not 1 <= len(label) <= 64 or set(label) - EVENT_NAME:
                raise Stop("trap")
            self.charge_blocks("units.event_block", length + size)
            self.events.append((label.decode(), content))
        elif name in ("STORAGE_READ", "STORAGE_WRITE"):
            address, length, data, size = pop(4)
            key = self.bytes_at(address, length)
            value = self.bytes_at(data, size)
            if len(key) not in range(1, 129):
                raise Stop("trap")
            if name == "STORAGE_WRITE":
                if len(value) > 4_096:
                    raise Stop("trap")
                self.charge_blocks("units.storage_write_block", length + size)
            if self.storage is None:
                raise Stop("trap")
            if name == "STORAGE_WRITE":
                self.storage.pop(key, None)
                if value:
                    self.storage[key] = value
                return
            found = self.storage.get(key)
            if found is None:
                stack.append(2**64 - 1)
                return
            if len(found) > size:
                raise Stop("trap")
            self.charge_blocks("units.storage_read_block", len(found))
            self.memory[data : data + len(found)] = found
            stack.append(len(found))
        else:
            raise AssertionError(f"no rule for {name}")

    def bytes_at(self, address: int, length: int) -> bytes:
        self.check(address, length)
        return bytes(self.memory[address : address + length])
