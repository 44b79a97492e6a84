"""What each step of a net's program takes: `python -m bench.steps encoder 1 [kernel]`.

Steps run one at a time, the whole program over and over; the least processor time of each counts.
"""

from __future__ import annotations

import itertools
import sys
import time

import numpy as np
import onnx

from bench import nets
from synnergy.tensor import load
from synnergy.tensor.compiled import Compiled, HostNode, RunScope, run_host
from synnergy.tensor.kernels.runtime import Prepared
from synnergy.tensor.kernels.selection import runtime_of
from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.plan import Plan

Array = nets.Array

ROUNDS = 12


def inputs_of(content: bytes, batch: int) -> dict[str, Array]:
    """Random inputs: whole numbers are tokens, places or a mask of ones."""
    generator = np.random.default_rng(0)
    arrays: dict[str, Array] = {}
    for value in onnx.load_from_string(content).graph.input:
        kind = value.type.tensor_type
        shape = [each.dim_value or batch for each in kind.shape.dim]
        if kind.elem_type == onnx.TensorProto.INT64:
            arrays[value.name] = np.ones(shape, np.int64)
        else:
            arrays[value.name] = generator.standard_normal(shape).astype(np.float32)
    return arrays


def step_times(plan: Plan, arrays: dict[str, Array], kernel: str) -> dict[str, list[float]]:
    """Seconds of each step, by kernel or operator, in order of the program."""
    runtime = runtime_of(kernel)
    if runtime is None:
        raise ValueError("the reference has no steps")
    shapes = {name: array.shape for name, array in arrays.items()}
    compiled: Compiled = plan._compiled(shapes, runtime)  # pyright: ignore[reportPrivateUsage]
    prepared: Prepared = plan._kernelled[runtime.name].session.prepare(compiled.program, 1)  # pyright: ignore[reportPrivateUsage]
    marks, words = compiled.program.marks, compiled.program.words
    least: dict[tuple[int, str], float] = {}
    with prepared:
        scope = RunScope(compiled, prepared, {})
        for _ in range(ROUNDS):
            for name, operand in compiled.inputs.items():
                prepared.array(operand)[...] = arrays[name]
            for place, part in enumerate(compiled.parts):
                if isinstance(part, HostNode):
                    begun = time.thread_time()
                    run_host(part, scope, plan.model.graph, plan._lifetimes)  # pyright: ignore[reportPrivateUsage]
                    key = (place << 20, f"host {part.node.operator}")
                    taken = time.thread_time() - begun
                    least[key] = min(least.get(key, taken), taken)
                    continue
                for begin, end in itertools.pairwise(marks):
                    if part[0] <= begin < end <= part[1]:
                        begun = time.thread_time()
                        prepared.run(begin, end)
                        key = (begin, Step(int(words[begin]) & 0xFFFF).name)
                        taken = time.thread_time() - begun
                        least[key] = min(least.get(key, taken), taken)
    found: dict[str, list[float]] = {}
    for (_, name), taken in least.items():
        found.setdefault(name, []).append(taken)
    return found


def main() -> None:
    net, batch, *kernel = sys.argv[1:]
    content: bytes = getattr(nets, net)()
    arrays = inputs_of(content, int(batch))
    plan = load(content, shapes={name: array.shape for name, array in arrays.items()})
    found = step_times(plan, arrays, kernel[0] if kernel else "auto")
    whole = sum(map(sum, found.values()))
    for name, times in sorted(found.items(), key=lambda each: -sum(each[1])):
        total = sum(times)
        print(f"{total * 1e3:9.3f} ms {total / whole:6.1%}  {len(times):4} x {name}")
    print(f"{whole * 1e3:9.3f} ms")


if __name__ == "__main__":
    main()
