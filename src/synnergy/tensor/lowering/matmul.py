"""MatMul and Gemm. TENSOR-10, TENSOR-16"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from synnergy.tensor.environment import quiet
from synnergy.tensor.kernels.program import Argument, Buffer, Builder, Operand, bits
from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.lowering.after import After, Kind, Layout, take_followers, words
from synnergy.tensor.lowering.elementwise import Binary, binary, converted, scalar
from synnergy.tensor.lowering.registry import Site, lowers
from synnergy.tensor.operators import arguments

#: What the columns of a packed matrix are padded to at most: one vector of any build.
VECTOR = 16
#: Element types of MATMUL; all others are computed in float32.
EXACT_OR_WIDE = ("float64", "int32", "int64", "uint32", "uint64")
#: Scratch memory for one block of a panel.
PANEL = 256 * 192
#: Rows that a computed B isn't packed for: packing takes as long as their product.
UNPACKED_ROWS = 16
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
    """B in panels of float32, in the order the kernels read it; made once where it's a weight.

    batch: size and stride of each dimension along which there is another matrix.
    """
    count = math.prod(size for size, _ in batch)
    size = 4 * b.k * (-(-b.n // VECTOR) * VECTOR) * count
    walk = [word for axis in batch for word in axis]

    def pack(target: Builder, source: Operand, place: Buffer) -> None:
        wide = converted(target, source, "float32")
        shape = (b.k, b.n, b.row, b.column)
        target.step(Step.PACK_B_F32, place, wide, *shape, len(batch), *walk)

    form = ("panels", b.k, b.n, b.row, b.column, *walk)
    return builder.prepared(form, b.operand, size, pack)


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """c = start + a b in float32, then what follows; `start_strides` are of rows and columns.

    a_row and c_row are the strides of A's and C's rows, 0 where these lie side by side.
    """

    a: Operand
    b: Factor
    m: int
    axes: Sequence[Axis] = ()
    start: Operand | None = None
    start_strides: tuple[int, ...] = (0, 0)
    a_row: int = 0
    c_row: int = 0

    def into(self, builder: Builder, result: Operand, after: Sequence[After] = ()) -> None:
        """Add the steps of it."""
        b = self.b
        distinct = [(axis.size, axis.b) for axis in self.axes if axis.b]
        in_place = b.operand.const is None and b.operand.dtype == "float32"
        in_place = in_place and b.column == 1 and self.m <= UNPACKED_ROWS
        batch: list[Argument] = []
        step = math.prod(size for size, _ in distinct)
        for axis in self.axes:
            if axis.b:
                step //= axis.size
            stride = axis.b if in_place or not axis.b else step
            batch += [axis.size, axis.a, stride, axis.c, 0]
        a = converted(builder, self.a, "float32")
        start = None if self.start is None else converted(builder, self.start, "float32")
        rows = (self.a_row or b.k, self.c_row or b.n)
        shape = (self.m, b.n, b.k, *rows, *self.start_strides)
        rest: list[Argument] = [start, *shape, len(self.axes), len(after), *batch, *words(after)]
        if in_place:
            how = (b.row, builder.thread_scratch(PANEL))
            builder.step(Step.MATMUL_IN_PLACE_F32, *how, result, a, b.operand, *rest)
        else:
            panels = packed(builder, b, distinct)
            builder.step(Step.MATMUL_F32, result, a, panels, *rest)


def multiply(
    builder: Builder, result: Operand, a: Operand, b: Factor, m: int, axes: Sequence[Axis]
) -> None:
    """Add the steps of a product in float32 or in a type of EXACT_OR_WIDE."""
    if result.dtype == "float32":
        Product(a, b, m, axes).into(builder, result)
        return
    walk = (a.code, m, b.n, b.k, b.k, 1, b.row, b.column, 0, 0, bits(1.0), bits(1.0))
    batch = [word for axis in axes for word in (axis.size, axis.a, axis.b)]
    scratch = builder.thread_scratch(PANEL)
    builder.step(Step.MATMUL, result, a, b.operand, None, *walk, scratch, len(axes), *batch)


def contiguous_rows(builder: Builder, a: Operand, transposed: bool) -> Operand:
    """A float32 matrix, or its transpose: the rows that a product walks must be contiguous."""
    if not transposed:
        return a
    rows, columns = a.shape
    result = builder.tensor("float32", (columns, rows))
    wide = converted(builder, a, "float32")
    builder.step(Step.TRANSPOSE_F32, result, wide, columns, rows)
    return result


@lowers("Gemm")
def gemm(site: Site) -> list[Operand] | None:
    a, b, c = (*site.inputs, None)[:3]
    if a is None or b is None:
        return None
    if a.dtype in EXACT_OR_WIDE:
        return _gemm_of_other_types(site, a, b, c)
    node, builder = site.node, site.builder
    m, n = site.outputs[0].shape
    if not m * n:
        return [site.result()]
    k = math.prod(a.shape) // m
    alpha, beta = (arguments.number(node, name, 1.0) for name in ("alpha", "beta"))
    factor = scalar(builder, a.dtype, alpha)
    start = _scaled(builder, c, scalar(builder, a.dtype, beta))
    layout = Layout((m, n), ((0,), (1,)))
    strides = (0, 0) if start is None else layout.strides(start.shape)
    if strides is None:
        return None
    scaled = factor.const != 1
    rows = contiguous_rows(builder, a, arguments.flag(node, "transA"))
    b_strides = (1, k) if arguments.flag(node, "transB") else (n, 1)
    product = Product(rows, Factor(b, k, n, *b_strides), m)
    if not scaled:
        product = replace(product, start=start, start_strides=strides)
    result = builder.tensor("float32", (m, n))
    if a.dtype == "float32":
        after: list[After] = []
        if scaled:
            after.append(After(Kind.MULTIPLY, factor, (0, 0)))
            if start is not None:
                after.append(After(Kind.ADD, start, strides))
        after += take_followers(site.followers, builder, layout, (m, n))
        product.into(builder, result, after)
        return [result]
    product.into(builder, result)
    result = converted(builder, result, a.dtype)
    if scaled:
        result = binary(builder, Binary.MUL, factor, result)
        if start is not None:
            result = binary(builder, Binary.ADD, result, start)
    return [result]


def _gemm_of_other_types(
    site: Site, a: Operand, b: Operand, c: Operand | None
) -> list[Operand] | None:
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
def _scaled(builder: Builder, c: Operand | None, beta: Operand) -> Operand | None:
    """beta C, rounded; nothing where beta is 0. TENSOR-16"""
    if c is None or beta.const == 0:
        return None
    if beta.const == 1:
        return c
    if c.const is not None and beta.const is not None:
        return builder.constant(np.asarray(np.multiply(beta.const, c.const)))
    return binary(builder, Binary.MUL, beta, c)


@lowers("MatMul")
def matmul(site: Site) -> list[Operand] | None:
    a, b = site.inputs
    if a is None or b is None:
        return None
    result, builder = site.result(), site.builder
    if not result.elements:
        return [result]
    left = a.reshaped((1, *a.shape)) if len(a.shape) == 1 else a
    right = b.reshaped((*b.shape, 1)) if len(b.shape) == 1 else b
    m, k, n = left.shape[-2], left.shape[-1], right.shape[-1]
    outer = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    whole = (*outer, m, n)
    axes, places = _merged(_axes(outer, left.shape, right.shape, m * n))
    rank = len(outer)
    groups = (*places, (rank,), (rank + 1,))
    if left.shape[:-2] == outer and not any(axis.b for axis in axes):
        # One B for all of the batch: its rows are rows of one large A.
        m, axes, groups = math.prod(outer) * m, [], (tuple(range(rank + 1)), (rank + 1,))
    if len(axes) > MAX_DIMENSIONS:
        return None
    factor = Factor(right, k, n, n, 1)
    if a.dtype in EXACT_OR_WIDE:
        multiply(builder, result, left, factor, m, axes)
        return [result]
    product = Product(left, factor, m, axes)
    if a.dtype == "float32":
        after: list[After] = []
        if whole == result.shape:
            after = take_followers(site.followers, builder, Layout(whole, groups), whole)
        product.into(builder, result, after)
        return [result]
    wide = builder.tensor("float32", result.shape)
    product.into(builder, wide)
    return [converted(builder, wide, a.dtype)]


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
