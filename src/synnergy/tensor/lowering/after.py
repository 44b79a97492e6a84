"""Operations on each finished result that a product does itself: bias, activation, residual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from synnergy.tensor.environment import quiet
from synnergy.tensor.kernels.program import Argument, Builder, Operand
from synnergy.tensor.lowering.registry import Followers
from synnergy.tensor.operators import arguments
from synnergy.tensor.operators.normalization import batch_terms
from synnergy.tensor.types import Node


class Kind(IntEnum):
    """Operations as `c/gemm.h` numbers them."""

    ADD = 0
    SUBTRACT = 1
    SUBTRACT_FROM = 2
    MULTIPLY = 3
    DIVIDE = 4
    DIVIDE_INTO = 5
    MAXIMUM = 6
    MINIMUM = 7
    RECTIFY = 8
    EXP = 9
    SIGMOID = 10
    TANH = 11
    ERF = 12
    GELU = 13
    GELU_TANH = 14


_BINARY = {
    "Add": (Kind.ADD, Kind.ADD),
    "Sub": (Kind.SUBTRACT, Kind.SUBTRACT_FROM),
    "Mul": (Kind.MULTIPLY, Kind.MULTIPLY),
    "Div": (Kind.DIVIDE, Kind.DIVIDE_INTO),
}


_FUNCTIONS = {
    "Exp": Kind.EXP,
    "Sigmoid": Kind.SIGMOID,
    "Tanh": Kind.TANH,
    "Erf": Kind.ERF,
    "Gelu": Kind.GELU,
}


@dataclass(frozen=True, slots=True, eq=False)
class After:
    """One operation, with its operand's stride in elements along each axis of the layout."""

    kind: Kind
    operand: Operand | None
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """How a kernel walks a result: its shape, and the axes (adjacent ones) that it sees as one.

    The last group is the kernel's columns, the one before it its rows, others its batch.
    """

    shape: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...]

    def strides(self, shape: Sequence[int]) -> tuple[int, ...] | None:
        """Strides of a contiguous operand that broadcasts to the result: one for each group.
        None where a group has no single one, or the operand is larger than the result."""
        missing = len(self.shape) - len(shape)
        if missing < 0:
            return None
        axes = [0] * missing
        step = 1
        own: list[int] = []
        for size, whole in zip(reversed(shape), reversed(self.shape), strict=False):
            if size not in (1, whole):
                return None
            own.append(0 if size == 1 else step)
            step *= size
        axes += reversed(own)
        found = [self._of_group(axes, group) for group in self.groups]
        strides = [stride for stride in found if stride is not None]
        return tuple(strides) if len(strides) == len(found) and strides[-1] <= 1 else None

    def _of_group(self, axes: Sequence[int], group: Sequence[int]) -> int | None:
        """The stride of a walk over these axes as one; None where it isn't even."""
        stride, span = 0, 1
        for axis in reversed(group):
            if self.shape[axis] == 1:
                continue
            if span == 1:
                stride = axes[axis]
            elif axes[axis] != stride * span:
                return None
            span *= self.shape[axis]
        return stride


def _clip_bounds(
    node: Node, inputs: Sequence[Operand | None], builder: Builder
) -> list[tuple[Kind, Operand]]:
    if node.opset < 11:
        largest = float(np.finfo(np.float32).max)
        low: Operand | None = builder.constant(
            np.array(arguments.number(node, "min", -largest), np.float32)
        )
        high: Operand | None = builder.constant(
            np.array(arguments.number(node, "max", largest), np.float32)
        )
    else:
        low, high = (*inputs[1:], None, None)[:2]
    bounds = ((Kind.MAXIMUM, low), (Kind.MINIMUM, high))
    return [(kind, bound.reshaped(())) for kind, bound in bounds if bound is not None]


@quiet
def _batch_normalisation(
    node: Node, inputs: Sequence[Operand | None], builder: Builder, rank: int
) -> list[tuple[Kind, Operand | None]] | None:
    """Of channels that lie along axis 1, by constants; None where they aren't known. TENSOR-19"""
    known = [None if operand is None else operand.const for operand in inputs[1:]]
    if inputs[0] is not None or any(array is None for array in known):
        return None
    factor, shift = batch_terms(node, np.dtype(np.float32), known)
    wide = [builder.constant(array.reshape(-1, *(1,) * (rank - 2))) for array in (factor, shift)]
    return [(Kind.MULTIPLY, wide[0]), (Kind.ADD, wide[1])]


def operations_of(
    node: Node, inputs: Sequence[Operand | None], builder: Builder, rank: int
) -> list[tuple[Kind, Operand | None]] | None:
    """A node as operations on the operand that isn't given; None where it's none of those."""
    if node.domain:
        return None
    if node.operator == "Relu":
        return [(Kind.RECTIFY, None)]
    if node.operator == "BatchNormalization":
        return _batch_normalisation(node, inputs, builder, rank)
    if node.operator in _FUNCTIONS:
        tanh = node.operator == "Gelu" and node.attribute("approximate") == "tanh"
        return [(Kind.GELU_TANH if tanh else _FUNCTIONS[node.operator], None)]
    if node.operator == "Clip":
        return [*_clip_bounds(node, inputs, builder)] if inputs[0] is None else None
    if node.operator not in _BINARY or len(inputs) != 2:
        return None
    left, right = inputs
    forward, backward = _BINARY[node.operator]
    if left is None and right is not None:
        return [(forward, right)]
    if right is None and left is not None:
        return [(backward, left)]
    return None


def take_followers(
    followers: Followers,
    builder: Builder,
    layout: Layout,
    shape: tuple[int, ...],
    most: int = 8,
    functions: bool = True,
) -> list[After]:
    """Take the chain of float32 nodes that only work on each element of a result of that shape;
    of functions only where the kernel knows them."""
    taken: list[After] = []
    while len(taken) < most:
        following = followers.next()
        if following is None:
            break
        node, inputs, kind = following
        if kind.dtype != "float32" or kind.shape != shape:
            break
        operations = operations_of(node, inputs, builder, len(shape))
        if operations is None or (node.operator in _FUNCTIONS and not functions):
            break
        found: list[After] = []
        for operation, operand in operations:
            strides = layout.strides(() if operand is None else operand.shape)
            if strides is not None:
                found.append(After(operation, operand, strides))
        if len(found) < len(operations):
            break
        followers.take()
        taken += found
    return taken


def words(after: Sequence[After]) -> list[Argument]:
    """The arguments of a step for these operations: AFTER_WORDS for each."""
    listed: list[Argument] = []
    for each in after:
        *batch, row, column = each.strides
        listed += [int(each.kind), each.operand, row, column, *batch]
    return listed
