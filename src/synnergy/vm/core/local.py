"""Locals, and the operand stack's own two. Locals are the first slots of a frame."""

from __future__ import annotations

from synnergy.vm.machine import Machine
from synnergy.vm.opcode import CoreOpcode, Immediate


def local_get(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[at] = slots[immediate]


def local_set(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    slots[immediate] = slots[at]


def drop(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    pass


def select(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    if slots[at + 2] == 0:
        slots[at] = slots[at + 1]


OPCODES = (
    CoreOpcode(
        0x000200,
        "CORE_LOCAL_GET",
        Immediate.LOCAL,
        0,
        1,
        "push a local or parameter",
        apply=local_get,
    ),
    CoreOpcode(
        0x000201,
        "CORE_LOCAL_SET",
        Immediate.LOCAL,
        1,
        0,
        "pop into a local or parameter",
        apply=local_set,
    ),
    CoreOpcode(
        0x000202,
        "CORE_LOCAL_TEE",
        Immediate.LOCAL,
        1,
        1,
        "copy the top operand into a local or parameter",
        apply=local_set,
    ),
    CoreOpcode(0x000203, "CORE_DROP", Immediate.NONE, 1, 0, "discard the top operand", apply=drop),
    CoreOpcode(
        0x000204,
        "CORE_SELECT",
        Immediate.NONE,
        3,
        1,
        "(a, b, condition) → a where the condition isn't zero, else b",
        apply=select,
    ),
)
