"""Einsum as the reference's sequence of diagonals, sums and products. SHAPE-70, SHAPE-71"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from synnergy.tensor.kernels.program import Builder, Operand
from synnergy.tensor.lowering.elementwise import converted
from synnergy.tensor.lowering.matmul import Axis, Factor, multiply
from synnergy.tensor.lowering.movement import copy
from synnergy.tensor.lowering.reduction import Finish, Operation, reduced
from synnergy.tensor.lowering.registry import Site, lowers
from synnergy.tensor.lowering.walks import broadcast, contiguous
from synnergy.tensor.operators import einsum


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """An operand whose axes have labels, with the stride of each; no copy was made yet."""

    operand: Operand
    strides: dict[str, int]
    sizes: dict[str, int]

    @property
    def labels(self) -> einsum.Labels:
        return tuple(self.strides)

    def lies(self, labels: Sequence[str]) -> bool:
        """Whether the operand's memory is the tensor with its axes in this order."""
        shape = [self.sizes[label] for label in labels]
        pairs = zip(labels, shape, contiguous(shape), strict=True)
        even = all(size == 1 or self.strides[label] == step for label, size, step in pairs)
        return even and math.prod(shape) == self.operand.elements

    def arranged(self, builder: Builder, labels: Sequence[str]) -> Operand:
        """A contiguous tensor with its axes in this order."""
        shape = tuple(self.sizes[label] for label in labels)
        if self.lies(labels):
            return self.operand.reshaped(shape)
        result = builder.tensor(self.operand.dtype, shape)
        strides = tuple(self.strides[label] for label in labels)
        copy(builder, result, self.operand, shape, contiguous(shape), strides)
        return result

    def summed(self, builder: Builder, kept: Sequence[str]) -> View:
        """Without the labels that aren't kept. TENSOR-12"""
        labels = self.labels
        axes = tuple(axis for axis, label in enumerate(labels) if label not in kept)
        if not axes:
            return self
        whole = self.arranged(builder, labels)
        total = reduced(builder, whole, axes, Operation.SUM, Finish.AS_IS)
        return view(total, [label for label in labels if label in kept], self.sizes)


def view(operand: Operand, labels: Sequence[str], sizes: dict[str, int]) -> View:
    """A contiguous tensor of whose axes each has a label of its own."""
    strides = contiguous([sizes[label] for label in labels])
    return View(operand, dict(zip(labels, strides, strict=True)), sizes)


def spread(operand: Operand, labels: Sequence[str], sizes: dict[str, int]) -> View:
    """An input at its labels' full sizes; a label that repeats walks the diagonal."""
    shape = [sizes[label] for label in labels]
    strides: dict[str, int] = {}
    for label, stride in zip(labels, broadcast(operand.shape, shape), strict=True):
        strides[label] = strides.get(label, 0) + stride
    return View(operand, strides, sizes)


def contract(builder: Builder, left: View, right: View, roles: einsum.Product) -> View:
    """One product for each place in the batch. TENSOR-10"""
    sizes = left.sizes
    count, m, k, n = (
        math.prod(sizes[label] for label in labels)
        for labels in (roles.batch, roles.rows, roles.terms, roles.columns)
    )
    a = left.arranged(builder, (*roles.batch, *roles.rows, *roles.terms))
    turned = (*roles.batch, *roles.columns, *roles.terms)
    if right.lies(turned):
        b = Factor(right.operand, k, n, 1, k)
    else:
        b = right.arranged(builder, (*roles.batch, *roles.terms, *roles.columns))
        b = Factor(b, k, n, n, 1)
    result = builder.tensor(a.dtype, tuple(sizes[label] for label in roles.result))
    axes = [Axis(count, m * k, k * n, m * n)] if count > 1 else []
    multiply(builder, result, a, b, m, axes)
    return view(result, roles.result, sizes)


@lowers("Einsum")
def lower_einsum(site: Site) -> list[Operand] | None:
    operands = [operand for operand in site.inputs if operand is not None]
    equation = einsum.parsed(site.node, [operand.shape for operand in operands])
    sizes, builder = equation.sizes, site.builder
    if 0 in sizes.values():
        return None
    dtype = operands[0].dtype
    # float16 is widened once for the whole expression, and rounded once at its end.
    if dtype == "float16":
        operands = [converted(builder, operand, "float32") for operand in operands]
    views = [
        spread(operand, labels, sizes)
        for operand, labels in zip(operands, equation.operands, strict=True)
    ]
    left = views[0]
    for right, (left_kept, right_kept, roles) in zip(
        views[1:], einsum.schedule(equation), strict=True
    ):
        left, right = left.summed(builder, left_kept), right.summed(builder, right_kept)
        left = contract(builder, left, right, roles)
    left = left.summed(builder, equation.output)
    return [converted(builder, left.arranged(builder, equation.output), dtype)]
