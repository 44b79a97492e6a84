"""Control flow: structured, no computed jumps. The verifier turns it into basic blocks."""

from __future__ import annotations

from synnergy.vm.machine import Machine, trap
from synnergy.vm.opcode import CoreOpcode, Immediate


def unreachable(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    trap("VM-19", "unreachable", "the program reached CORE_UNREACHABLE")


def nop(slots: list[int], at: int, immediate: int, machine: Machine) -> None:
    pass


UNREACHABLE = CoreOpcode(
    0x000000, "CORE_UNREACHABLE", Immediate.NONE, 0, 0, "trap", apply=unreachable
)
NOP = CoreOpcode(0x000001, "CORE_NOP", Immediate.NONE, 0, 0, "nothing", apply=nop)
BLOCK = CoreOpcode(
    0x000002, "CORE_BLOCK", Immediate.ARITY, 0, 0, "open a block; its label is its end"
)
LOOP = CoreOpcode(
    0x000003, "CORE_LOOP", Immediate.ARITY, 0, 0, "open a loop; its label is its beginning"
)
IF = CoreOpcode(
    0x000004,
    "CORE_IF",
    Immediate.ARITY,
    1,
    0,
    "pop a condition; run what follows where it isn't zero, else the CORE_ELSE part",
)
ELSE = CoreOpcode(
    0x000005, "CORE_ELSE", Immediate.NONE, 0, 0, "end the first part of a CORE_IF, open the other"
)
END = CoreOpcode(
    0x000006, "CORE_END", Immediate.NONE, 0, 0, "close a block, loop, if, or the function"
)
BR = CoreOpcode(0x000007, "CORE_BR", Immediate.LABEL, 0, 0, "branch to an enclosing label")
BR_IF = CoreOpcode(
    0x000008,
    "CORE_BR_IF",
    Immediate.LABEL,
    1,
    0,
    "pop a condition; branch to an enclosing label where it isn't zero",
)
RETURN = CoreOpcode(0x000009, "CORE_RETURN", Immediate.NONE, 0, 0, "return from the function")

OPCODES = (UNREACHABLE, NOP, BLOCK, LOOP, IF, ELSE, END, BR, BR_IF, RETURN)
