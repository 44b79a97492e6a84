"""What a running program sees: memory, input, output, environment, host, meter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NoReturn, Protocol

import msgspec

from synnergy.gas.meter import Meter, OutOfGas
from synnergy.rejected import Rejected
from synnergy.vm.domain import DomainOpcode

MASK = 2**64 - 1
SIGN = 2**63
PAGE_BYTES = 65_536
MAX_PAGES = 64
#: Bytes of memory that are made at once, if the program has so many.
SMALLEST_MEMORY = 4_096
#: What memory grows by; zeroes made anew each time would cost several times as much.
_ZEROS = memoryview(bytes(MAX_PAGES * PAGE_BYTES))

Status = Literal["ok", "trap", "out_of_gas", "reverted", "refused"]

#: The effect of one instruction, as f(slots, at, immediate, machine). `slots` holds the frame's
#: locals, then its operands, all unsigned 64-bit; the operands popped are slots[at], slots[at + 1]
#: …, and the results go to slots[at] onwards. The verifier knows `at` of every instruction.
Operation = Callable[[list[int], int, int, "Machine"], None]


class Environment(msgspec.Struct, frozen=True):
    """The block that a program runs in, its time in ms since 1970 UTC, and whose it is (VM-17).

    `origin` signed the transaction, `caller` called the program, `address` is the program's own:
    what it holds and where it stores. All three are the sender's for a transaction's own program.
    """

    height: int
    time: int
    origin: str
    caller: str
    address: str


@dataclass(frozen=True, slots=True)
class UnitPrices:
    """Gas of work whose amount is known only at run time (VM-12)."""

    copy_block: int
    hash_block: int
    memory_page: int
    storage_read_block: int
    storage_write_block: int
    event_block: int


class Host(Protocol):
    """The ledger as a program reaches it. Only `call` charges; the machine charges for the rest.

    What `storage_read`, `storage_write` and `emit` reject is a trap.
    """

    def call(
        self, opcode: DomainOpcode, arguments: bytes, meter: Meter
    ) -> bytes | Rejected | OutOfGas:
        """The encoded result; Rejected stops the program as refused. Charges `meter` itself."""
        ...

    def storage_read(self, key: bytes) -> bytes | Rejected | None:
        """The value under `key`, None where there is none (VM-23)."""
        ...

    def storage_write(self, key: bytes, value: bytes) -> Rejected | None:
        """Keep `value` under `key`; an empty one removes the key (VM-23)."""
        ...

    def emit(self, name: str, data: bytes) -> Rejected | None:
        """Record an event of the program's (VM-24)."""
        ...

    def balance(self, address: str) -> int:
        """What an address holds, in smallest units; 0 for one that was never heard of (VM-25)."""
        ...


@dataclass(frozen=True, slots=True)
class Where:
    """An instruction: the index of its function, its offset in that function's code in bytes."""

    function: int
    offset: int

    def __str__(self) -> str:
        return f"function {self.function} at {self.offset}"


class Halt(Exception):
    """The program ends here and not well. Never leaves the interpreter (VM-19)."""

    def __init__(
        self,
        status: Status,
        rejection: Rejected,
        output: bytes = b"",
        where: Where | None = None,
    ) -> None:
        super().__init__(status)
        self.status: Status = status
        self.rejection = rejection
        self.output = output
        self.where = where


class Machine:
    """The mutable state of one frame outside its slots.

    The program's memory has `size` bytes; `memory` holds its beginning, as far as `require` was
    asked for it, and the rest is zero.
    """

    __slots__ = ("environment", "host", "input", "memory", "meter", "output", "size", "units")

    def __init__(
        self,
        input: bytes,
        meter: Meter,
        host: Host,
        environment: Environment,
        units: UnitPrices,
    ) -> None:
        self.memory = bytearray()
        self.size = 0
        self.input = input
        self.output = b""
        self.meter = meter
        self.host = host
        self.environment = environment
        self.units = units

    @property
    def pages(self) -> int:
        return self.size // PAGE_BYTES

    def charge(self, amount: int) -> None:
        """Charge gas whose amount was known only now (VM-12)."""
        if not self.meter.charge(amount):
            out_of_gas(amount, self.meter)

    def charge_copy(self, length: int) -> None:
        self.charge_blocks(self.units.copy_block, length)

    def charge_blocks(self, price: int, length: int) -> None:
        """Charge `price` for each started 64 of `length` bytes (VM-12)."""
        self.charge(price * ((length + 63) // 64))

    def check(self, address: int, length: int) -> None:
        """Trap unless the memory has these bytes (VM-14)."""
        if address + length > self.size:
            trap(
                "VM-14",
                "memory_out_of_bounds",
                f"{length} bytes at address {address}, memory has {self.size}",
            )

    def require(self, address: int, length: int) -> None:
        """As `check`; from here on memory[address : address + length] is there."""
        self.check(address, length)
        missing = address + length - len(self.memory)
        if missing > 0:
            # At least doubled, so that a program that walks upwards pays once for each byte.
            wanted = max(missing, len(self.memory), SMALLEST_MEMORY)
            self.memory += _ZEROS[: min(wanted, self.size - len(self.memory))]

    def read(self, address: int, length: int) -> bytes:
        """Bytes of memory, bounds checked, not charged."""
        self.require(address, length)
        return bytes(self.memory[address : address + length])

    def grow(self, pages: int) -> None:
        """Add zeroed pages within MAX_PAGES, charged by the new size: it may move (VM-12)."""
        self.charge(self.units.memory_page * (self.pages + pages))
        self.size += pages * PAGE_BYTES


def trap(rule: str, code: str, message: str, where: Where | None = None) -> NoReturn:
    """End the frame by a trap, which burns its remaining gas (VM-19)."""
    raise Halt("trap", Rejected(rule, code, message), where=where)


def out_of_gas(needed: int, meter: Meter) -> NoReturn:
    raise Halt(
        "out_of_gas",
        Rejected("VM-11", "out_of_gas", f"{needed} gas needed, {meter.remaining} remaining"),
    )
