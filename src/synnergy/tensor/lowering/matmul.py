"""MatMul and Gemm. TENSOR-10, TENSOR-16"""

from __future__ import annotations

import math

from synnergy.tensor.kernels.program import Buffer, Builder, Operand
from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.lowering.registry import Site, lowers
from synnergy.tensor.operators import arguments

#: Columns that a panel may add at most to those of a matrix.
PANEL_SLACK = 64


def packed(
    builder: Builder, b: Operand, k: int, n: int, rows: int, columns: int, batch: int
) -> Buffer:
    """B in panels, in the order the kernels read it; made once where it's a weight."""
    each = k * (n + PANEL_SLACK)
    size = 4 * each * batch

    def pack(target: Builder, source: Operand, place: Buffer) -> None:
        target.step(Step.PACK_B_F32, place, source, k, n, rows, columns, batch, k * n, each)

    if b.const is not None:
        return builder.prepared(("panels", k, n, rows, columns), b, size, pack)
    place = builder.temporary(size)
    pack(builder, b, place)
    return place


@lowers("Gemm")
def gemm(site: Site) -> list[Operand] | None:
    a, b, c = (*site.inputs, None)[:3]
    if a is None or b is None or a.dtype != "float32":
        return None
    node = site.node
    if arguments.number(node, "alpha", 1.0) != 1.0 or arguments.number(node, "beta", 1.0) != 1.0:
        return None
    m, n = site.outputs[0].shape
    k = math.prod(a.shape) // m if m else 0
    if not m * n * k:
        return None
    a_strides = (1, m) if arguments.flag(node, "transA") else (k, 1)
    b_strides = (1, k) if arguments.flag(node, "transB") else (n, 1)
    starts = (0, 0)
    if c is not None:
        rows, columns = (1, 1, *c.shape)[-2:]
        starts = (columns if rows > 1 else 0, 1 if columns > 1 else 0)
    panels = packed(site.builder, b, k, n, *b_strides, 1)
    result = site.result()
    site.builder.step(
        Step.MATMUL_F32, result, a, panels, c, m, n, k, *a_strides, *starts, 1, 0, 0, 0, 0
    )
    return [result]


@lowers("Relu")
def relu(site: Site) -> list[Operand] | None:
    x = site.inputs[0]
    if x is None or x.dtype != "float32":
        return None
    result = site.result()
    site.builder.step(Step.RELU_F32, result, x, x.elements)
    return [result]
