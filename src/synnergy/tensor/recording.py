"""Turns a plan and its inputs into a vector: no kernel runs, the reference gives the answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from synnergy.tensor.compiled import compile_graph
from synnergy.tensor.inputs import input_types
from synnergy.tensor.kernels.program import Builder, Operand, Program, Weights
from synnergy.tensor.kernels.runtime import Prepared
from synnergy.tensor.kernels.vectors import Check, Operation, Run, Vector, Write
from synnergy.tensor.liveness import LifetimeCache
from synnergy.tensor.plan import Plan
from synnergy.tensor.types import Array


@dataclass(slots=True, eq=False)
class _Recorder:
    """A session that only notes what is placed."""

    operations: list[Operation] = field(default_factory=list[Operation])
    weights: list[int] = field(default_factory=list[int])
    workspace: int = 0
    scratch: int = 0

    def place(self, builder: Builder) -> None:
        self.weights.append(builder.placed_bytes)
        for placed in builder.placed:
            if placed.program is None or placed.source is None:
                buffer = placed.buffer
                self.operations.append(_write(buffer.segment, buffer.offset, placed.array))
            else:
                self.operations.append(_write(0, placed.source.offset, placed.array))
                self.run(placed.program)

    def run(self, program: Program) -> None:
        self.workspace = max(self.workspace, program.workspace)
        self.scratch = max(self.scratch, program.scratch)
        self.operations.append(Run(tuple(program.words.tolist())))

    def prepare(self, program: Program, threads: int) -> Prepared:
        raise TypeError("nothing runs while a vector is recorded")


def _write(segment: int, offset: int, array: Array) -> Write:
    return Write(segment, offset, np.ascontiguousarray(array).tobytes())


def _place(operand: Operand) -> tuple[int, int]:
    return operand.buffer.segment, operand.buffer.offset + operand.offset


def record(name: str, plan: Plan, arrays: Mapping[str, Array]) -> Vector | None:
    """The vector of one run; None where not every node has a kernel, or there is no output that
    one computes. Raises what `Plan.execute` raises."""
    if not plan.static:
        return None
    results = plan.execute(arrays, kernel="reference")
    shapes = {key: array.shape for key, array in arrays.items()}
    graph = plan.model.graph
    recorder = _Recorder()
    compiled = compile_graph(
        graph,
        plan.specialise(shapes),
        input_types(graph, shapes),
        LifetimeCache(),
        recorder,
        Weights(),
        plan.limits.memory,
    )
    if any(not isinstance(part, tuple) for part in compiled.parts):
        return None
    for key, operand in compiled.inputs.items():
        recorder.operations.append(_write(*_place(operand), arrays[key]))
    recorder.run(compiled.program)
    checks = [
        Check(*_place(compiled.values[key]), str(array.dtype), array.tobytes())
        for key, _, array in results
        if key in compiled.values and key not in compiled.constants and array.size
    ]
    if not checks:
        return None
    sizes = (recorder.workspace, recorder.scratch, *recorder.weights)
    return Vector(name, sizes, (*recorder.operations, *checks))
