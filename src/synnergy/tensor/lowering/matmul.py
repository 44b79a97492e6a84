"""MatMul and Gemm. TENSOR-10, TENSOR-16"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synnergy.tensor.environment import quiet
from synnergy.tensor.kernels.program import Argument, Buffer, Builder, Operand, bits
from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.lowering.after import After, Kind, Layout, take_followers, words
from synnergy.tensor.lowering.registry import Site, lowers
from synnergy.tensor.operators import arguments

#: What the columns of a packed matrix are padded to at most: one vector of any build.
VECTOR = 16
#: Element types of MATMUL, and the scratch memory that it needs.
EXACT_OR_WIDE = ("float64", "int32", "int64", "uint32", "uint64")
PANEL = 256 * 128
#: Dimensions of a batch that a kernel can walk.
MAX_DIMENSIONS = 8


@dataclass(frozen=True, slots=True)
class Axis:
    """A dimension of the batch: its size and what a step along it skips in each matrix."""

    size: int
    a: int
    b: int
    c: int


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """B, of k rows and n columns, with its strides in elements."""

    operand: Operand
    k: int
    n: int
    row: int
    column: int


def packed(builder: Builder, b: Factor, batch: Sequence[tuple[int, int]]) -> Buffer:
    """B in panels, in the order the kernels read it; made once where it's a weight.

    batch: size and stride of each dimension along which there is another matrix.
    """
    count = math.prod(size for size, _ in batch)
    size = 4 * b.k * (-(-b.n // VECTOR) * VECTOR) * count
    walk = [word for axis in batch for word in axis]

    def pack(target: Builder, source: Operand, place: Buffer) -> None:
        shape = (b.k, b.n, b.row, b.column)
        target.step(Step.PACK_B_F32, place, source, *shape, len(batch), *walk)

    if b.operand.const is not None and b.k:
        form = ("panels", b.k, b.n, b.row, b.column, *walk)
        return builder.prepared(form, b.operand, size, pack)
    place = builder.temporary(size)
    pack(builder, b.operand, place)
    return place


def contiguous_rows(builder: Builder, a: Operand, transposed: bool) -> Operand:
    """A matrix as it is, or its transpose: the rows that a product walks must be contiguous."""
    if not transposed:
        return a
    rows, columns = a.shape
    result = builder.tensor(a.dtype, (columns, rows))
    builder.step(Step.TRANSPOSE_F32, result, a, columns, rows)
    return result


@lowers("Gemm")
def gemm(site: Site) -> list[Operand] | None:
    a, b, c = (*site.inputs, None)[:3]
    if a is None or b is None:
        return None
    if a.dtype != "float32":
        return _gemm_of_other_types(site, a, b, c)
    node, builder = site.node, site.builder
    m, n = site.outputs[0].shape
    result = site.result()
    if not m * n:
        return [result]
    k = math.prod(a.shape) // m
    alpha = np.float32(arguments.number(node, "alpha", 1.0))
    beta = np.float32(arguments.number(node, "beta", 1.0))
    start = _scaled(builder, c, beta)
    layout = Layout((m, n), ((0,), (1,)))
    strides = (0, 0) if start is None else layout.strides(start.shape)
    if strides is None:
        return None
    after: list[After] = []
    if alpha != 1:
        after.append(After(Kind.MULTIPLY, builder.constant(np.array(alpha)), (0, 0)))
        if start is not None:
            after.append(After(Kind.ADD, start, strides))
        start = None
    after += take_followers(site.followers, builder, layout, (m, n))
    b_strides = (1, k) if arguments.flag(node, "transB") else (n, 1)
    panels = packed(builder, Factor(b, k, n, *b_strides), ())
    rows = contiguous_rows(builder, a, arguments.flag(node, "transA"))
    fixed: list[Argument] = [m, n, k, k, n, *strides]
    builder.step(
        Step.MATMUL_F32, result, rows, panels, start, *fixed, 0, len(after), *words(after)
    )
    return [result]


def _gemm_of_other_types(
    site: Site, a: Operand, b: Operand, c: Operand | None
) -> list[Operand] | None:
    if a.dtype not in EXACT_OR_WIDE:
        return None
    node, builder = site.node, site.builder
    m, n = site.outputs[0].shape
    result = site.result()
    if not m * n:
        return [result]
    k = math.prod(a.shape) // m
    alpha, beta = (arguments.number(node, name, 1.0) for name in ("alpha", "beta"))
    start = None if beta == 0 else c
    strides = Layout((m, n), ((0,), (1,))).strides(() if start is None else start.shape)
    if strides is None:
        return None
    walk: list[Argument] = [a.code, m, n, k]
    walk += (1, m) if arguments.flag(node, "transA") else (k, 1)
    walk += (1, k) if arguments.flag(node, "transB") else (n, 1)
    walk += [*strides, bits(alpha), bits(beta), builder.thread_scratch(PANEL)]
    builder.step(Step.MATMUL, result, a, b, start, *walk, 0)
    return [result]


@quiet
def _scaled(builder: Builder, c: Operand | None, beta: np.float32) -> Operand | None:
    """beta C, rounded; nothing where beta is 0. TENSOR-16"""
    if c is None or beta == 0:
        return None
    if beta == 1:
        return c
    if c.const is not None:
        return builder.constant(np.asarray(np.multiply(np.array(beta), c.const)))
    result = builder.tensor("float32", c.shape)
    builder.step(Step.SCALE_F32, result, c, c.elements, bits(float(beta)))
    return result


@lowers("MatMul")
def matmul(site: Site) -> list[Operand] | None:
    a, b = site.inputs
    if a is None or b is None:
        return None
    result = site.result()
    if not result.elements:
        return [result]
    left = a.reshaped((1, *a.shape)) if len(a.shape) == 1 else a
    right = b.reshaped((*b.shape, 1)) if len(b.shape) == 1 else b
    m, k, n = left.shape[-2], left.shape[-1], right.shape[-1]
    outer = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    axes, places = _merged(_axes(outer, left.shape, right.shape, m * n))
    rank = len(outer)
    groups = (*places, (rank,), (rank + 1,))
    if left.shape[:-2] == outer and not any(axis.b for axis in axes):
        # One B for all of the batch: its rows are rows of one large A.
        m, axes, groups = math.prod(outer) * m, [], (tuple(range(rank + 1)), (rank + 1,))
    if len(axes) > MAX_DIMENSIONS:
        return None
    if a.dtype == "float32":
        layout = Layout((*outer, left.shape[-2], n), groups)
        _matmul_f32(site, result, left, m, Factor(right, k, n, n, 1), axes, layout)
        return [result]
    if a.dtype not in EXACT_OR_WIDE:
        return None
    walk: list[Argument] = [a.code, m, n, k, k, 1, n, 1, 0, 0, bits(1.0), bits(1.0)]
    batch = [word for axis in axes for word in (axis.size, axis.a, axis.b)]
    scratch = site.builder.thread_scratch(PANEL)
    site.builder.step(Step.MATMUL, result, left, right, None, *walk, scratch, len(axes), *batch)
    return [result]


def _matmul_f32(
    site: Site,
    result: Operand,
    a: Operand,
    m: int,
    b: Factor,
    axes: Sequence[Axis],
    layout: Layout,
) -> None:
    after: list[After] = []
    if layout.shape == result.shape:
        after = take_followers(site.followers, site.builder, layout, result.shape)
    distinct = [(axis.size, axis.b) for axis in axes if axis.b]
    panels = packed(site.builder, b, distinct)
    batch: list[Argument] = []
    step = math.prod(size for size, _ in distinct)
    for axis in axes:
        if axis.b:
            step //= axis.size
        batch += [axis.size, axis.a, step if axis.b else 0, axis.c, 0]
    fixed: list[Argument] = [None, m, b.n, b.k, b.k, b.n, 0, 0, len(axes), len(after)]
    site.builder.step(Step.MATMUL_F32, result, a, panels, *fixed, *batch, *words(after))


def _axes(
    outer: Sequence[int], left: Sequence[int], right: Sequence[int], step: int
) -> list[Axis]:
    """The batch's dimensions from the first to the last; a broadcast one stays in its place."""

    def strides(shape: Sequence[int]) -> list[int]:
        step = shape[-2] * shape[-1]
        found: list[int] = []
        for size in reversed(shape[:-2]):
            found.append(step if size > 1 else 0)
            step *= size
        return [*([0] * (len(outer) - len(found))), *reversed(found)]

    axes: list[Axis] = []
    sizes = list(zip(outer, strides(left), strides(right), strict=True))
    for size, a, b in reversed(sizes):
        axes.append(Axis(size, a, b, step))
        step *= size
    return axes[::-1]


def _merged(axes: Sequence[Axis]) -> tuple[list[Axis], list[tuple[int, ...]]]:
    """Dimensions that can be walked as one, joined; and which of the result's each is."""
    joined: list[Axis] = []
    places: list[tuple[int, ...]] = []
    for place, axis in enumerate(axes):
        if axis.size == 1:
            continue
        before = joined[-1] if joined else None
        if before is not None and all(
            outer == inner * axis.size for outer, inner in ((before.a, axis.a), (before.b, axis.b))
        ):
            joined[-1] = Axis(before.size * axis.size, axis.a, axis.b, axis.c)
            places[-1] = (*places[-1], place)
        else:
            joined.append(axis)
            places.append((place,))
    return joined, places
