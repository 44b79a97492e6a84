"""Basic blocks: what a verified function consists of, and their construction in one pass.

A basic block is entered at its beginning only, pays its static gas on entry, runs its operations
in order, and leaves by its exit (VM-10).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from synnergy.vm.machine import Operation, UnitPrices
from synnergy.vm.program import Segment

# How a block is left.
JUMP = 0
BRANCH = 1
CALL = 2
RETURN = 3


class BasicBlock(NamedTuple):
    """One block; slots count from the frame's first local, blocks from the function's first.

    JUMP    copy slots[source] to slots[target] where they differ; go to `next`
    BRANCH  where slots[slot] isn't zero: copy likewise, go to `taken`; else go to `next`
    CALL    call function `taken` with its arguments from slots[slot] on; then go to `next`
    RETURN  return slots[source], where the function has a result
    """

    gas: int
    body: tuple[tuple[Operation, int, int], ...]
    exit: int
    next: int
    taken: int
    slot: int
    source: int
    target: int
    #: Offsets in the code: of the block's first instruction, of each operation, of the exit.
    start: int
    offsets: tuple[int, ...]
    end: int


@dataclass(frozen=True, slots=True)
class VerifiedFunction:
    """`slots` words make its frame: parameters, locals, then the deepest operand stack."""

    parameters: int
    results: int
    slots: int
    blocks: tuple[BasicBlock, ...]


@dataclass(frozen=True, slots=True)
class VerifiedProgram:
    """Ready to execute; only `verifier.verify` makes one.

    `template` names the verb whose template it is, where that is known.
    """

    memory_pages: int
    functions: tuple[VerifiedFunction, ...]
    data: tuple[Segment, ...]
    units: UnitPrices
    template: str | None = None


@dataclass(slots=True)
class Label:
    """A place to go to, perhaps before it is known where that is."""

    index: int = -1
    used: bool = False


@dataclass(slots=True)
class _Draft:
    start: int
    gas: int = 0
    body: list[tuple[Operation, int, int]] = field(
        default_factory=list[tuple[Operation, int, int]]
    )
    offsets: list[int] = field(default_factory=list[int])
    exit: int = RETURN
    next: Label | None = None
    taken: Label | int = 0
    slot: int = 0
    source: int = 0
    target: int = 0
    end: int = 0


class BlockBuilder:
    """Collects a function's blocks. `live` tells whether the instruction at hand can be reached;
    what can't be reached is left out, since it never runs and never costs."""

    def __init__(self) -> None:
        self._drafts: list[_Draft] = []
        self._current: _Draft | None = None

    @property
    def live(self) -> bool:
        return self._current is not None

    def open(self, start: int, *labels: Label) -> None:
        """Begin a block at code offset `start`, the place that `labels` stand for."""
        for label in labels:
            label.index = len(self._drafts)
        self._current = _Draft(start)
        self._drafts.append(self._current)

    def charge(self, gas: int) -> None:
        if self._current is not None:
            self._current.gas += gas

    def operate(self, operation: Operation, at: int, immediate: int, offset: int) -> None:
        if self._current is not None:
            self._current.body.append((operation, at, immediate))
            self._current.offsets.append(offset)

    def leave(
        self,
        exit: int,
        offset: int,
        *,
        next: Label | None = None,
        taken: Label | int = 0,
        slot: int = 0,
        source: int = 0,
        target: int = 0,
    ) -> None:
        """End the current block, if there is one; what follows is dead until `open`."""
        draft = self._current
        if draft is None:
            return
        self._current = None
        draft.exit, draft.end = exit, offset
        draft.next, draft.taken = next, taken
        draft.slot, draft.source, draft.target = slot, source, target
        for label in (next, taken):
            if isinstance(label, Label):
                label.used = True

    def build(self) -> tuple[BasicBlock, ...]:
        """The blocks with every label resolved."""
        return tuple(
            BasicBlock(
                draft.gas,
                tuple(draft.body),
                draft.exit,
                -1 if draft.next is None else draft.next.index,
                draft.taken.index if isinstance(draft.taken, Label) else draft.taken,
                draft.slot,
                draft.source,
                draft.target,
                draft.start,
                tuple(draft.offsets),
                draft.end,
            )
            for draft in self._drafts
        )
