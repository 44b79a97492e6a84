"""Kernels compiled for this processor, called through ctypes: one call for a whole graph."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from synnergy.tensor.kernels.program import (
    ALIGNMENT,
    SCRATCH,
    Buffer,
    Builder,
    Operand,
    Program,
    aligned,
)
from synnergy.tensor.kernels.runtime import check_status
from synnergy.tensor.types import DTYPES, Array


def aligned_bytes(size: int) -> Array:
    """Memory of `size` bytes, all zero, that begins at a multiple of ALIGNMENT."""
    raw = np.zeros(size + ALIGNMENT, np.uint8)
    skip = -raw.ctypes.data % ALIGNMENT
    return raw[skip : skip + size]


@dataclass(frozen=True, slots=True, eq=False)
class NativeRuntime:
    """A shared library of kernels. Raises OSError where it can't be loaded."""

    name: str
    path: Path
    library: ctypes.CDLL = field(init=False)

    def __post_init__(self) -> None:
        library = ctypes.CDLL(str(self.path))
        library.synnergy_run.restype = ctypes.c_int
        library.synnergy_run.argtypes = [
            ctypes.c_void_p,
            ctypes.c_int64,
            ctypes.c_void_p,
            ctypes.c_int64,
            ctypes.c_int64,
        ]
        library.synnergy_processor.restype = ctypes.c_int64
        object.__setattr__(self, "library", library)

    def session(self) -> NativeSession:
        return NativeSession(self)

    def replayer(self) -> NativeRuntime:
        return self

    def memory(self, sizes: Sequence[int], threads: int) -> NativeMemory:
        """Segments of their own for one vector."""
        return NativeMemory(self, sizes, threads)

    def sources(self) -> int:
        ask = getattr(self.library, "synnergy_sources", None)
        if ask is None:
            return 0
        ask.restype = ctypes.c_int64
        return int(ask())

    def processor(self) -> int:
        """What this processor can run: `c/processor.c`."""
        return int(self.library.synnergy_processor())


@dataclass(slots=True, eq=False)
class NativeSession:
    runtime: NativeRuntime
    weights: list[Array] = field(default_factory=list[Array])

    def place(self, builder: Builder) -> None:
        segment = aligned_bytes(builder.placed_bytes)
        self.weights.append(segment)
        for placed in builder.placed:
            if placed.program is None or placed.source is None:
                _view(segment, placed.buffer, placed.array)[...] = placed.array
            else:
                prepared = self.prepare(placed.program, 1)
                _view(prepared.workspace, placed.source, placed.array)[...] = placed.array
                prepared.run(0, len(placed.program.words))

    def prepare(self, program: Program, threads: int) -> NativePrepared:
        return NativePrepared(self, program, threads)


def _tables(segments: Sequence[Array], scratch: int, threads: int) -> ctypes.Array[Any]:
    """A table of segments for each thread, with its own part of the scratch memory."""
    addresses = [segment.ctypes.data for segment in segments]
    table: list[int] = []
    for thread in range(threads):
        own = list(addresses)
        own[SCRATCH] += thread * scratch
        table += own
    return (ctypes.c_void_p * len(table))(*table)


@dataclass(slots=True, eq=False)
class NativeMemory:
    """Memory that a vector is run in."""

    runtime: NativeRuntime
    sizes: Sequence[int]
    threads: int
    segments: list[Array] = field(init=False)

    def __post_init__(self) -> None:
        self.segments = [
            aligned_bytes(aligned(size) * (self.threads if segment == SCRATCH else 1))
            for segment, size in enumerate(self.sizes)
        ]

    def view(self, segment: int) -> Array:
        return self.segments[segment]

    def run(self, words: Array) -> int:
        tables = _tables(self.segments, aligned(self.sizes[SCRATCH]), self.threads)
        pointer, stride = ctypes.addressof(tables), len(self.segments)
        run = self.runtime.library.synnergy_run
        return int(run(words.ctypes.data, len(words), pointer, stride, self.threads))


def _view(segment: Array, buffer: Buffer, like: Array) -> Array:
    part = segment[buffer.offset : buffer.offset + like.nbytes]
    return part.view(like.dtype).reshape(like.shape)


class NativePrepared:
    """A program's words, workspace and table of segments, kept for its next runs."""

    __slots__ = (
        "_arrays",
        "_owned",
        "_run",
        "_segments",
        "_stride",
        "_words",
        "segments",
        "threads",
        "workspace",
    )

    def __init__(self, session: NativeSession, program: Program, threads: int) -> None:
        self.threads = threads
        self._arrays: dict[Operand, Array] = {}
        self.workspace = aligned_bytes(program.workspace)
        scratch = aligned_bytes(program.scratch * threads)
        self.segments = [self.workspace, scratch, *session.weights]
        pointers = _tables(self.segments, program.scratch, threads)
        self._owned = (pointers, program.words)
        self._words = program.words.ctypes.data
        self._segments = ctypes.addressof(pointers)
        self._stride = len(self.segments)
        self._run = session.runtime.library.synnergy_run

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def array(self, operand: Operand) -> Array:
        known = self._arrays.get(operand)
        if known is None:
            buffer, dtype = operand.buffer, DTYPES[operand.dtype]
            if not operand.elements:  # no segment is placed for empty constants alone
                return np.zeros(operand.shape, dtype)
            begin = buffer.offset + operand.offset
            part = self.segments[buffer.segment][begin : begin + operand.elements * dtype.itemsize]
            known = self._arrays[operand] = part.view(dtype).reshape(operand.shape)
        return known

    def run(self, begin: int, end: int) -> None:
        words = self._words + 8 * begin
        status = self._run(words, end - begin, self._segments, self._stride, self.threads)
        if status:
            check_status(status)
