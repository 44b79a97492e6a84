"""The declaration of a core opcode."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from synnergy.vm.machine import Operation


class Immediate(Enum):
    """What follows an opcode in the code: its meaning and its width in bytes (VM-3)."""

    NONE = ("none", 0)
    INTEGER = ("integer", 8)
    LOCAL = ("local", 4)
    FUNCTION = ("function", 4)
    LABEL = ("label", 4)
    OFFSET = ("offset", 4)
    ARITY = ("arity", 1)

    def __init__(self, label: str, width: int) -> None:
        self.label = label
        self.width = width


@dataclass(frozen=True, slots=True)
class CoreOpcode:
    """One instruction of the machine; `pops` and `pushes` count 64-bit integers.

    `apply` is None for those that shape control flow: the verifier turns them into basic blocks,
    and gives their stack effect where it depends on the immediate.
    """

    code: int
    name: str
    immediate: Immediate
    pops: int
    pushes: int
    description: str
    apply: Operation | None = None
