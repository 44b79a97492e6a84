"""A program for the kernels, and the builder that lays out its memory.

A program is a row of int64 words: for each step a head (kernel's number | words << 16) and its
arguments: integers, the bits of float64 numbers, or addresses (segment << 40 | byte offset).
Segment 0 is the workspace of one run, 1 each thread's scratch memory, the others hold weights.
"""

from __future__ import annotations

import bisect
import heapq
import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.types import DTYPES, Array

WORKSPACE, SCRATCH, FIRST_WEIGHTS = 0, 1, 2
#: Stands for an operand that is left out.
ABSENT = -1
#: What every buffer's place is a multiple of, in bytes: a cache line, and any vector.
ALIGNMENT = 64
#: Element types as kernels number them.
DTYPE_NAMES = (
    *("float16", "float32", "float64"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"),
)
DTYPE_CODES = {name: code for code, name in enumerate(DTYPE_NAMES)}


@dataclass(slots=True, eq=False)
class Buffer:
    """Memory of `size` bytes in a segment; `offset` is known once the program is finished.

    first, last: the steps between which a workspace buffer must keep its contents.
    weight: contents that stay between runs; such a buffer gets its place when a step names it.
    """

    size: int
    segment: int = WORKSPACE
    offset: int = ABSENT
    first: int = -1
    last: int = -1
    weight: Array | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Operand:
    """A tensor as kernels see it: contiguous, row-major, at `offset` bytes in a buffer.

    `const` holds its contents where they are known before any run.
    """

    dtype: str
    shape: tuple[int, ...]
    buffer: Buffer
    offset: int = 0
    const: Array | None = None

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        return DTYPES[self.dtype].itemsize

    @property
    def code(self) -> int:
        """The element type's number in kernels."""
        return DTYPE_CODES[self.dtype]

    def reshaped(self, shape: tuple[int, ...]) -> Operand:
        """The same elements under another shape of as many."""
        const = None if self.const is None else self.const.reshape(shape)
        return Operand(self.dtype, shape, self.buffer, self.offset, const)


Argument = int | Operand | Buffer | None


def bits(number: float) -> int:
    """A float64 as an argument."""
    return int(struct.unpack("<q", struct.pack("<d", number))[0])


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Finished words with the memory they need.

    marks: for each of its steps, the word where it begins, and at last the number of words.
    """

    words: Array
    marks: tuple[int, ...]
    workspace: int
    scratch: int


@dataclass(slots=True, eq=False)
class Weights:
    """What a plan keeps in the kernels' memory between calls: a segment for each program made.

    named: initializers by name. made: what kernels made of a weight, by that and its form.
    first_bytes, later_bytes: of the first segment, and of all others.
    """

    named: dict[str, Operand] = field(default_factory=dict[str, Operand])
    made: dict[tuple[Buffer, tuple[object, ...]], Buffer] = field(
        default_factory=dict["tuple[Buffer, tuple[object, ...]]", Buffer]
    )
    segments: int = 0
    first_bytes: int = 0
    later_bytes: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A weight to write: an array as it is, or what a little program makes of it."""

    buffer: Buffer
    array: Array
    program: Program | None = None
    source: Buffer | None = None


@dataclass(slots=True, eq=False)
class Builder:
    """Collects steps; `finish` lays out the memory and encodes them."""

    weights: Weights
    steps: list[tuple[Step | None, tuple[Argument, ...]]] = field(
        default_factory=list["tuple[Step | None, tuple[Argument, ...]]"]
    )
    placed: list[Placed] = field(default_factory=list[Placed])
    scratch: int = 0
    _placed_bytes: int = 0
    _buffers: dict[Buffer, None] = field(default_factory=dict[Buffer, None])

    def step(self, kernel: Step | None, *arguments: Argument) -> None:
        """Add a step; None stands for work outside the kernels that touches these arguments.

        Buffers and operands among its arguments live at least until it.
        """
        index = len(self.steps)
        for argument in arguments:
            if isinstance(argument, Operand):
                self.touch(argument.buffer, index)
            elif isinstance(argument, Buffer):
                self.touch(argument, index)
        self.steps.append((kernel, arguments))

    def touch(self, buffer: Buffer, index: int) -> None:
        """Say that a buffer is in use at a step."""
        if buffer.segment == WORKSPACE and buffer.weight is None:
            self._buffers[buffer] = None
            buffer.first = index if buffer.first < 0 else min(buffer.first, index)
            buffer.last = max(buffer.last, index)
        elif buffer.weight is not None and buffer.offset == ABSENT:
            self._place(buffer)
            self.placed.append(Placed(buffer, buffer.weight))

    def tensor(self, dtype: str, shape: tuple[int, ...]) -> Operand:
        """An intermediate result in the workspace."""
        size = math.prod(shape) * DTYPES[dtype].itemsize
        return Operand(dtype, shape, Buffer(size))

    def temporary(self, size: int) -> Buffer:
        """`size` bytes of the workspace, shared by all threads, for the steps that name them."""
        return Buffer(size)

    def thread_scratch(self, size: int) -> int:
        """The address of `size` bytes that each thread has for itself during one step."""
        self.scratch = max(self.scratch, size)
        return SCRATCH << 40

    def constant(self, array: Array, name: str = "") -> Operand:
        """A tensor whose contents are known, resident between runs.

        With a name, which an initializer has, it is had once for all shapes.
        """
        known = self.weights.named.get(name)
        if known is None:
            contents = np.ascontiguousarray(array).reshape(array.shape)
            buffer = Buffer(contents.nbytes, weight=contents)
            known = Operand(str(array.dtype), array.shape, buffer, 0, contents)
            if name:
                self.weights.named[name] = known
        return known

    def prepared(
        self,
        form: tuple[object, ...],
        source: Operand,
        size: int,
        emit: Callable[[Builder, Operand, Buffer], None],
    ) -> Buffer:
        """`size` bytes that kernels make of an operand: `emit` adds the steps that fill them.

        Of a constant they are made once, before any run, and `form` tells them from others made of
        the same; of what a run computes, and of nothing, among the steps of the run.
        """
        if source.const is None or not source.elements:
            place = self.temporary(size)
            emit(self, source, place)
            return place
        key = (source.buffer, (*form, source.offset, source.shape))
        made = self.weights.made.get(key)
        if made is None:
            made = self.weights.made[key] = Buffer(size)
            self._place(made)
            inner = Builder(Weights())
            array = np.ascontiguousarray(source.const).reshape(source.shape)
            given = Operand(source.dtype, source.shape, Buffer(array.nbytes))
            inner.touch(given.buffer, 0)
            emit(inner, given, made)
            self.placed.append(Placed(made, array, inner.finish(), given.buffer))
        return made

    def _place(self, buffer: Buffer) -> None:
        buffer.segment = FIRST_WEIGHTS + self.weights.segments
        buffer.offset = self._placed_bytes
        self._placed_bytes += aligned(buffer.size)

    @property
    def placed_bytes(self) -> int:
        """Size of the segment of weights that this program adds."""
        return self._placed_bytes

    def finish(self) -> Program:
        """Lay out the workspace, then encode."""
        workspace = lay_out(list(self._buffers))
        words: list[int] = []
        marks: list[int] = []
        for kernel, arguments in self.steps:
            marks.append(len(words))
            if kernel is None:
                continue
            words.append(int(kernel) | (len(arguments) + 1) << 16)
            words.extend(encoded(argument) for argument in arguments)
        marks.append(len(words))
        return Program(np.array(words, np.int64), tuple(marks), workspace, aligned(self.scratch))


def aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def address(buffer: Buffer, offset: int = 0) -> int:
    return buffer.segment << 40 | buffer.offset + offset


def encoded(argument: Argument) -> int:
    if argument is None:
        return ABSENT
    if isinstance(argument, Operand):
        return address(argument.buffer, argument.offset)
    return address(argument) if isinstance(argument, Buffer) else argument


def lay_out(buffers: Sequence[Buffer]) -> int:
    """Give workspace buffers places that overlap only where their lives don't; bytes in all.

    In order of their first step, each takes the smallest gap that fits, or grows the workspace.
    """
    gaps = Gaps()
    leaving: list[tuple[int, int, int]] = []  # a heap of (last step, place, size)
    total = 0
    for buffer in sorted(buffers, key=lambda each: each.first):
        while leaving and leaving[0][0] < buffer.first:
            _, place, size = heapq.heappop(leaving)
            gaps.add(place, size)
        size = aligned(max(buffer.size, 1))
        place = gaps.take(size)
        if place is None:
            place = gaps.take_last(total)
            place = total if place is None else place
            total = place + size
        buffer.offset = place
        heapq.heappush(leaving, (buffer.last, place, size))
    return total


class Gaps:
    """Free parts of the workspace that never touch one another; by place, and by size."""

    __slots__ = ("_places", "_sizes")

    def __init__(self) -> None:
        self._places: list[tuple[int, int]] = []  # (place, size), sorted
        self._sizes: list[tuple[int, int]] = []  # (size, place), sorted

    def take(self, size: int) -> int | None:
        """The place of `size` bytes in the smallest gap that has them, the first of those."""
        fitting = bisect.bisect_left(self._sizes, (size, 0))
        if fitting == len(self._sizes):
            return None
        gap, place = self._sizes[fitting]
        self._remove(bisect.bisect_left(self._places, (place, 0)))
        if gap > size:
            self._insert(place + size, gap - size)
        return place

    def take_last(self, end: int) -> int | None:
        """The place of the gap that ends there, whatever its size."""
        if not self._places or sum(self._places[-1]) != end:
            return None
        return self._remove(len(self._places) - 1)[0]

    def add(self, place: int, size: int) -> None:
        """Give memory back, joined with what is free on either side."""
        position = bisect.bisect_left(self._places, (place, 0))
        if position < len(self._places) and self._places[position][0] == place + size:
            size += self._remove(position)[1]
        if position and sum(self._places[position - 1]) == place:
            place, before = self._remove(position - 1)
            size += before
        self._insert(place, size)

    def _insert(self, place: int, size: int) -> None:
        bisect.insort(self._places, (place, size))
        bisect.insort(self._sizes, (size, place))

    def _remove(self, position: int) -> tuple[int, int]:
        place, size = self._places.pop(position)
        del self._sizes[bisect.bisect_left(self._sizes, (size, place))]
        return place, size
