"""Test vectors of the kernels: finished programs, what they are given, what they must answer.

A file of them is what a build is tried on before it is used, and what other hosts of the same
kernels (a browser's engine, another processor) are compared by. All numbers are little-endian
words of 8 bytes; texts and bytes have their length before them and are padded to whole words:

    file      = "SYNCASE1", number of cases, case*
    case      = name, number of segments, size*, number of operations, operation*
    operation = 1, segment, offset, bytes            put bytes into a segment
              | 2, number of words, word*            run these words of a program
              | 3, segment, offset, type, bytes      memory must be these bytes, of this type

Before a case every byte of memory is FILL, so that nothing is right by chance.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from synnergy.tensor.kernels.program import DTYPE_CODES, DTYPE_NAMES
from synnergy.tensor.types import DTYPES, Array

MAGIC = b"SYNCASE1"
FILL = 0xA5
_WRITE, _RUN, _CHECK = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Write:
    segment: int
    offset: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Run:
    words: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Check:
    segment: int
    offset: int
    dtype: str
    content: bytes


Operation = Write | Run | Check


@dataclass(frozen=True, slots=True)
class Vector:
    """Operations in order, over segments of these sizes: workspace, scratch memory, weights."""

    name: str
    sizes: tuple[int, ...]
    operations: tuple[Operation, ...]


class Memory(Protocol):
    """Segments for one vector in the memory of a build."""

    def view(self, segment: int) -> Array:
        """A segment's bytes, to read and to write."""
        ...

    def run(self, words: Array) -> int:
        """The answer of the kernels to these words; 0 is well done."""
        ...


class Replayer(Protocol):
    """A build of the kernels that vectors can be run on."""

    def memory(self, sizes: Sequence[int], threads: int) -> Memory: ...

    def sources(self) -> int:
        """The number that the build has of the sources it was compiled from."""
        ...


def failure(replayer: Replayer, vector: Vector, threads: int = 1) -> str:
    """What is wrong with a build by this vector; empty where it holds. TENSOR-61"""
    memory = replayer.memory(vector.sizes, threads)
    for segment in range(len(vector.sizes)):
        memory.view(segment)[...] = FILL
    for operation in vector.operations:
        match operation:
            case Write(segment, offset, content):
                part = memory.view(segment)[offset : offset + len(content)]
                part[...] = np.frombuffer(content, np.uint8)
            case Run(words):
                status = memory.run(np.array(words, np.int64))
                if status:
                    return f"the kernels answered {status}"
            case Check(segment, offset, dtype, content):
                got = memory.view(segment)[offset : offset + len(content)].tobytes()
                if got != content:
                    difference = _difference(dtype, got, content)
                    if difference:
                        return difference
    return ""


def _difference(dtype: str, got: bytes, wanted: bytes) -> str:
    """The first element that differs, NaN being any NaN."""
    kind = DTYPES[dtype]
    mine, theirs = np.frombuffer(got, kind), np.frombuffer(wanted, kind)
    differs = mine.view(f"V{kind.itemsize}") != theirs.view(f"V{kind.itemsize}")
    if kind.kind == "f":
        differs &= ~(np.isnan(mine) & np.isnan(theirs))
    places = np.flatnonzero(differs)
    if not places.size:
        return ""
    first = int(places[0])
    return f"{dtype} number {first} of {mine.size} is {mine[first]!r}, not {theirs[first]!r}"


def encode(vectors: Sequence[Vector]) -> bytes:
    """The bytes of a file of vectors."""
    parts = [MAGIC, _words(len(vectors))]
    for vector in vectors:
        parts += [_bytes(vector.name.encode()), _words(len(vector.sizes), *vector.sizes)]
        parts.append(_words(len(vector.operations)))
        for operation in vector.operations:
            match operation:
                case Write(segment, offset, content):
                    parts += [_words(_WRITE, segment, offset), _bytes(content)]
                case Run(words):
                    parts.append(_words(_RUN, len(words), *words))
                case Check(segment, offset, dtype, content):
                    head = _words(_CHECK, segment, offset, DTYPE_CODES[dtype])
                    parts += [head, _bytes(content)]
    return b"".join(parts)


def _words(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}q", *numbers)


def _bytes(content: bytes) -> bytes:
    return _words(len(content)) + content + bytes(-len(content) % 8)


def decode(data: bytes) -> Iterator[Vector]:
    """The vectors of a file. Raises ValueError where it isn't one."""
    if data[: len(MAGIC)] != MAGIC:
        raise ValueError("this is no file of vectors")
    reader = _Reader(data, len(MAGIC))
    for _ in range(reader.word()):
        name = reader.content().decode()
        sizes = reader.words(reader.word())
        yield Vector(name, sizes, tuple(reader.operation() for _ in range(reader.word())))
    if reader.place != len(data):
        raise ValueError("a file of vectors goes on after its last one")


@dataclass(slots=True)
class _Reader:
    data: bytes
    place: int

    def words(self, count: int) -> tuple[int, ...]:
        begin = self.place
        self.place += 8 * count
        if count < 0 or self.place > len(self.data):
            raise ValueError("a file of vectors is cut short")
        return struct.unpack_from(f"<{count}q", self.data, begin)

    def word(self) -> int:
        return self.words(1)[0]

    def content(self) -> bytes:
        size = self.word()
        begin = self.place
        self.words(-(-size // 8))
        return self.data[begin : begin + size]

    def operation(self) -> Operation:
        kind = self.word()
        if kind == _WRITE:
            return Write(self.word(), self.word(), self.content())
        if kind == _RUN:
            return Run(self.words(self.word()))
        if kind == _CHECK:
            return Check(self.word(), self.word(), DTYPE_NAMES[self.word()], self.content())
        raise ValueError(f"an operation of vectors is {kind}")
