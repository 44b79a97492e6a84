"""Axes as a kernel's walk wants them: as few as there can be."""

from __future__ import annotations

from collections.abc import Sequence

Strides = tuple[int, ...]


def contiguous(shape: Sequence[int]) -> Strides:
    """Row-major strides, in elements."""
    strides: list[int] = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


def broadcast(shape: Sequence[int], to: Sequence[int]) -> Strides:
    """Strides of a tensor repeated to a shape: 0 along each axis that it hasn't got."""
    own = zip(shape, contiguous(shape), strict=True)
    strides = [stride if size != 1 else 0 for size, stride in own]
    return (0,) * (len(to) - len(shape)) + tuple(strides)


def collapse(sizes: Sequence[int], *operands: Strides) -> tuple[Strides, list[Strides]]:
    """The same elements in the same order over fewer axes, at least one.

    Axes of one element go; two that every operand passes through as one are joined.
    """
    kept = [axis for axis, size in enumerate(sizes) if size != 1]
    joined: list[tuple[int, tuple[int, ...]]] = []
    for axis in kept:
        steps = tuple(strides[axis] for strides in operands)
        size = sizes[axis]
        if joined and joined[-1][1] == tuple(step * size for step in steps):
            joined[-1] = (joined[-1][0] * size, steps)
        else:
            joined.append((size, steps))
    joined = joined or [(1, (0,) * len(operands))]
    return tuple(size for size, _ in joined), [
        tuple(steps[operand] for _, steps in joined) for operand in range(len(operands))
    ]


def walk(sizes: Sequence[int], *operands: Strides) -> list[int]:
    """A walk as a step's arguments: rank, sizes, strides of each operand."""
    collapsed, strides = collapse(sizes, *operands)
    return [len(collapsed), *collapsed, *(step for each in strides for step in each)]
