"""Linear memory: little-endian, in pages of 64 KiB, bounds checked (VM-14)."""

from __future__ import annotations

from struct import Struct

from synnergy.vm.machine import MASK, MAX_PAGES, Machine, Operation
from synnergy.vm.opcode import CoreOpcode, Immediate


def _load(layout: str) -> Operation:
    """(address) → value; the effective address is address + offset."""
    word = Struct(layout)
    size, unpack_from = word.size, word.unpack_from

    def load(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
        address = slots[at] + immediate
        memory = machine.memory
        if address + size > len(memory):
            machine.require(address, size)
        slots[at] = unpack_from(memory, address)[0] & MASK

    return load


def _store(layout: str) -> Operation:
    """(address, value) → nothing; the low bytes of the value."""
    word = Struct(layout)
    size, pack_into = word.size, word.pack_into
    low = 256**size - 1

    def store(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
        address = slots[at] + immediate
        memory = machine.memory
        if address + size > len(memory):
            machine.require(address, size)
        pack_into(memory, address, slots[at + 1] & low)

    return store


def memory_size(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = machine.pages


def memory_grow(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    """(pages) → old size, or −1 where the memory would pass its cap; nothing grown is free."""
    pages, old = slots[at], machine.pages
    if old + pages > MAX_PAGES:
        slots[at] = MASK
        return
    if pages:
        machine.grow(pages)
    slots[at] = old


def memory_copy(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    """(destination, source, length); overlapping ranges copy as if through a buffer."""
    destination, source, length = slots[at : at + 3]
    machine.require(destination, length)
    machine.require(source, length)
    machine.charge_copy(length)
    machine.memory[destination : destination + length] = machine.memory[source : source + length]


def memory_fill(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    """(destination, byte, length); the low 8 bits of `byte`."""
    destination, byte, length = slots[at : at + 3]
    machine.require(destination, length)
    machine.charge_copy(length)
    machine.memory[destination : destination + length] = bytes((byte & 0xFF,)) * length


_LOADS = (
    (0x000300, "LOAD8_U", "<B", "push a byte of memory, zero-extended"),
    (0x000301, "LOAD8_S", "<b", "push a byte of memory, sign-extended"),
    (0x000302, "LOAD16_U", "<H", "push 2 bytes of memory, zero-extended"),
    (0x000303, "LOAD16_S", "<h", "push 2 bytes of memory, sign-extended"),
    (0x000304, "LOAD32_U", "<I", "push 4 bytes of memory, zero-extended"),
    (0x000305, "LOAD32_S", "<i", "push 4 bytes of memory, sign-extended"),
    (0x000306, "LOAD64", "<Q", "push 8 bytes of memory"),
)
_STORES = (
    (0x000310, "STORE8", "<B", "write the low byte of a word to memory"),
    (0x000311, "STORE16", "<H", "write the low 2 bytes of a word to memory"),
    (0x000312, "STORE32", "<I", "write the low 4 bytes of a word to memory"),
    (0x000313, "STORE64", "<Q", "write a word to memory"),
)

OPCODES = (
    *(
        CoreOpcode(
            code,
            f"CORE_I64_{name}",
            Immediate.OFFSET,
            1,
            1,
            description,
            apply=_load(layout),
        )
        for code, name, layout, description in _LOADS
    ),
    *(
        CoreOpcode(
            code, f"CORE_I64_{name}", Immediate.OFFSET, 2, 0, description, apply=_store(layout)
        )
        for code, name, layout, description in _STORES
    ),
    CoreOpcode(
        0x000320,
        "CORE_MEMORY_SIZE",
        Immediate.NONE,
        0,
        1,
        "push the memory's size in pages",
        apply=memory_size,
    ),
    CoreOpcode(
        0x000321,
        "CORE_MEMORY_GROW",
        Immediate.NONE,
        1,
        1,
        "add pages; push the old size, or −1 past the cap",
        apply=memory_grow,
    ),
    CoreOpcode(
        0x000322,
        "CORE_MEMORY_COPY",
        Immediate.NONE,
        3,
        0,
        "(destination, source, length): copy within memory",
        apply=memory_copy,
    ),
    CoreOpcode(
        0x000323,
        "CORE_MEMORY_FILL",
        Immediate.NONE,
        3,
        0,
        "(destination, byte, length): fill memory with a byte",
        apply=memory_fill,
    ),
)
