"""Kernels in WASM, compiled by Cranelift: the path for machines without a native build."""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, cast

import numpy as np
import wasmtime

from synnergy.tensor.kernels.program import (
    ALIGNMENT,
    Builder,
    Operand,
    Program,
    aligned,
)
from synnergy.tensor.kernels.runtime import check_status
from synnergy.tensor.types import DTYPES, Array

_PAGE = 1 << 16
_LARGEST = 1 << 32


@dataclass(frozen=True, slots=True, eq=False)
class WasmRuntime:
    """A module of kernels. Raises wasmtime.WasmtimeError where it can't be compiled here."""

    name: str
    path: Path
    engine: wasmtime.Engine = field(init=False)
    module: wasmtime.Module = field(init=False)

    def __post_init__(self) -> None:
        config = wasmtime.Config()
        config.wasm_simd = True
        config.wasm_relaxed_simd = True
        with contextlib.suppress(wasmtime.WasmtimeError):
            config.cache = True  # of compiled modules, in the user's own folder for caches
        engine = wasmtime.Engine(config)
        object.__setattr__(self, "engine", engine)
        object.__setattr__(self, "module", wasmtime.Module(engine, self.path.read_bytes()))

    def session(self) -> WasmSession:
        return WasmSession(self)

    def replayer(self) -> WasmReplayer:
        return WasmReplayer(WasmSession(self))


class WasmSession:
    """One instance: weights grow from the bottom of its memory, a run's own memory lies above."""

    def __init__(self, runtime: WasmRuntime) -> None:
        self.lock = threading.Lock()
        self.store = wasmtime.Store(runtime.engine)
        exports = wasmtime.Instance(self.store, runtime.module, []).exports(self.store)
        self.memory = cast(wasmtime.Memory, exports["memory"])
        self.entry = cast(wasmtime.Func, exports["synnergy_call"])
        self.sources = cast("wasmtime.Func | None", exports.get("synnergy_sources"))
        base = cast(wasmtime.Global, exports["__heap_base"]).value(self.store)
        self.top = aligned(int(base))
        self.weights: list[int] = []
        self.occupant: WasmPrepared | None = None

    def reserve(self, end: int) -> None:
        """Make the memory reach up to `end`. Raises MemoryError."""
        missing = end - self.memory.data_len(self.store)
        if end > _LARGEST:
            raise MemoryError(f"{end} bytes are more than WASM can address")
        if missing > 0:
            self.occupant = None  # whose views may be of memory that has moved
            try:
                self.memory.grow(self.store, -(-missing // _PAGE))
            except wasmtime.WasmtimeError as error:
                raise MemoryError(str(error)) from error

    def bytes_at(self, place: int, size: int) -> Array:
        """A view that holds until the memory grows."""
        whole = self.memory.data_ptr(self.store)
        start = ctypes.addressof(whole.contents) + place
        return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(start))

    def place(self, builder: Builder) -> None:
        with self.lock:
            segment = self.top
            self.top = aligned(segment + builder.placed_bytes)
            self.reserve(self.top)
            self.weights.append(segment)
            self.occupant = None
        for placed in builder.placed:
            if placed.program is None or placed.source is None:
                content = placed.array.reshape(-1).view(np.uint8)
                self.bytes_at(segment + placed.buffer.offset, content.size)[...] = content
            else:
                source = Operand(str(placed.array.dtype), placed.array.shape, placed.source)
                with self.prepare(placed.program, 1) as prepared:
                    prepared.array(source)[...] = placed.array
                    prepared.run(0, len(placed.program.words))

    def prepare(self, program: Program, threads: int) -> WasmPrepared:
        del threads  # WASM has one; the bits are the same
        return WasmPrepared(self, program)


class WasmPrepared:
    """A program in the memory above the weights, which belongs to one run at a time."""

    def __init__(self, session: WasmSession, program: Program) -> None:
        self.session = session
        self.program = program
        self._bases: list[int] = []
        self._arrays: dict[Operand, Array] = {}
        self._record = self._words = 0
        self._call: Array = np.zeros(3, np.int64)

    def __enter__(self) -> Self:
        self.session.lock.acquire()
        if self.session.occupant is not self:  # another program ran, or weights were added
            try:
                self._move_in()
            except BaseException:
                self.session.lock.release()
                raise
        return self

    def _move_in(self) -> None:
        session, program = self.session, self.program
        self._record = session.top
        self._words = aligned(self._record + self._call.nbytes)
        table = aligned(self._words + program.words.nbytes)
        workspace = aligned(table + 4 * (2 + len(session.weights)))
        scratch = aligned(workspace + program.workspace)
        self._bases = [workspace, scratch, *session.weights]
        session.reserve(scratch + program.scratch + ALIGNMENT)
        words = program.words.view(np.uint8)
        session.bytes_at(self._words, words.size)[...] = words
        bases = np.array(self._bases, np.uint32).view(np.uint8)
        session.bytes_at(table, bases.size)[...] = bases
        self._call = session.bytes_at(self._record, 24).view(np.int64)
        self._call[2] = table
        self._arrays = {}
        session.occupant = self

    def __exit__(self, *_: object) -> None:
        self.session.lock.release()

    def array(self, operand: Operand) -> Array:
        known = self._arrays.get(operand)
        if known is None:
            dtype = DTYPES[operand.dtype]
            if not operand.elements:  # no segment is placed for empty constants alone
                return np.zeros(operand.shape, dtype)
            place = self._bases[operand.buffer.segment] + operand.buffer.offset + operand.offset
            whole = self.session.bytes_at(place, operand.elements * dtype.itemsize)
            known = self._arrays[operand] = whole.view(dtype).reshape(operand.shape)
        return known

    def run(self, begin: int, end: int) -> None:
        session = self.session
        self._call[0] = self._words + 8 * begin
        self._call[1] = end - begin
        check_status(session.entry(session.store, self._record))


@dataclass(frozen=True, slots=True, eq=False)
class WasmReplayer:
    """One instance for many vectors, which run one after the other."""

    session: WasmSession

    def memory(self, sizes: Sequence[int], threads: int) -> WasmMemory:
        """Segments for one vector, where the one before had its own."""
        del threads  # WASM has one
        return WasmMemory(self.session, sizes)

    def sources(self) -> int:
        ask = self.session.sources
        return 0 if ask is None else int(ask(self.session.store))


class WasmMemory:
    """Memory that a vector is run in."""

    def __init__(self, session: WasmSession, sizes: Sequence[int]) -> None:
        self.session = session
        self.sizes = [aligned(size) for size in sizes]
        self.bases = [session.top + sum(self.sizes[:index]) for index in range(len(sizes))]
        self.record = session.top + sum(self.sizes)
        self.table = aligned(self.record + 24)
        self.words = aligned(self.table + 4 * len(sizes))
        session.reserve(self.words)
        table = np.array(self.bases, np.uint32).view(np.uint8)
        session.bytes_at(self.table, table.size)[...] = table

    def view(self, segment: int) -> Array:
        return self.session.bytes_at(self.bases[segment], self.sizes[segment])

    def run(self, words: Array) -> int:
        session = self.session
        session.reserve(self.words + words.nbytes + ALIGNMENT)
        session.bytes_at(self.words, words.nbytes)[...] = words.view(np.uint8)
        record = np.array([self.words, len(words), self.table], np.int64).view(np.uint8)
        session.bytes_at(self.record, record.size)[...] = record
        return int(session.entry(session.store, self.record))
