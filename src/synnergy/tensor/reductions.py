"""Sums, products, extremes and running sums whose bits do not depend on the machine.

TENSOR-12: a sum along an axis of n elements has 16 partial sums; number j starts from +0 and adds
elements j, j + 16, j + 32 … in that order. Then 16 become 8, 4, 2 and 1 by adding number j + half
to number j. Several axes are first flattened to one, in row-major order. A product does the same
from 1. float16 is widened to float32 and rounded once at the end; integers wrap around.
"""

from __future__ import annotations

import numpy as np

from synnergy.tensor.environment import quiet
from synnergy.tensor.types import Array

_LANES = 16

# Elements that are stacked before their sums are taken.
_CHUNK = 1 << 16

Axis = int | tuple[int, ...] | None


@quiet
def ordered_sum(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Sum along `axis` (None: all axes) by TENSOR-12; an empty sum is +0."""
    return _ordered(x, axis, keepdims, np.add, 0)


@quiet
def ordered_product(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Product along `axis` (None: all axes) by TENSOR-12; an empty product is 1."""
    return _ordered(x, axis, keepdims, np.multiply, 1)


@quiet
def ordered_mean(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """`ordered_sum` divided by the count; integers truncate towards zero; empty gives NaN (0)."""
    count = int(np.prod([x.shape[a] for a in _axes(axis, x.ndim)], dtype=np.int64))
    wide = x.astype(np.float32) if x.dtype == np.float16 else x
    total = ordered_sum(wide, axis, keepdims)
    if x.dtype.kind != "f":
        return truncated_divide(total, np.array(count, x.dtype))
    return (total / total.dtype.type(count)).astype(x.dtype)


def truncated_divide(a: Array, b: Array) -> Array:
    """Integer quotient rounded towards zero, as C divides; division by zero gives 0. TENSOR-20"""
    quotient = np.floor_divide(a, b)
    if a.dtype.kind == "i":
        rest = a - quotient * b
        quotient = quotient + ((rest != 0) & ((a < 0) != (b < 0))).astype(a.dtype)
    return np.where(b == 0, np.zeros_like(quotient), quotient)


def _axes(axis: Axis, rank: int) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(rank))
    given = (axis,) if isinstance(axis, int) else axis
    return tuple(sorted({a % rank for a in given})) if rank else ()


def _flattened(x: Array, axes: tuple[int, ...]) -> Array:
    """`x` with the reduced axes flattened, in row-major order, to one last axis."""
    kept = [a for a in range(x.ndim) if a not in axes]
    count = 1
    for a in axes:
        count *= x.shape[a]
    return x.transpose(*kept, *axes).reshape(*(x.shape[a] for a in kept), count)


def _restored(reduced: Array, x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    if not keepdims:
        return reduced
    return reduced.reshape([1 if a in axes else n for a, n in enumerate(x.shape)])


def _ordered(x: Array, axis: Axis, keepdims: bool, combine: np.ufunc, neutral: int) -> Array:
    if x.dtype == np.float16:
        wide = x.astype(np.float32)
        return _ordered(wide, axis, keepdims, combine, neutral).astype(np.float16)
    axes = _axes(axis, x.ndim)
    terms = _flattened(x, axes)
    count = terms.shape[-1]
    lanes = np.full((*terms.shape[:-1], _LANES), neutral, x.dtype)
    whole = count - count % _LANES
    chunk = max(1, _CHUNK // max(lanes.size, 1)) * _LANES
    for begin in range(0, whole, chunk):
        part = terms[..., begin : min(begin + chunk, whole)]
        rows = part.reshape(*part.shape[:-1], -1, _LANES)
        if rows.shape[-2] == 1:
            lanes = combine(lanes, rows[..., 0, :])
        else:  # accumulate's order is fixed: each of its results is the last one and one row
            stacked = np.concatenate([lanes[..., None, :], rows], axis=-2)
            lanes = combine.accumulate(stacked, axis=-2, dtype=x.dtype)[..., -1, :].copy()
    rest = lanes[..., : count - whole]
    combine(rest, terms[..., whole:], out=rest)
    half = _LANES
    while half > 1:
        half //= 2
        lanes = combine(lanes[..., :half], lanes[..., half : 2 * half])
    return _restored(lanes[..., 0], x, axes, keepdims)


@quiet
def cumulative_sum(x: Array, axis: int, exclusive: bool = False, reverse: bool = False) -> Array:
    """Running sum in order of the axis, one addition after another; same shape and type."""
    wide = x.astype(np.float32) if x.dtype == np.float16 else x
    terms = np.moveaxis(wide, axis, 0)
    terms = terms[::-1] if reverse else terms
    stacked = np.concatenate([np.zeros_like(terms[:1]), terms]) if len(terms) else terms
    sums = np.add.accumulate(stacked, axis=0, dtype=wide.dtype)
    result = (sums[:-1] if exclusive else sums[1:]) if len(terms) else sums
    result = result[::-1] if reverse else result
    return np.ascontiguousarray(np.moveaxis(result, 0, axis)).astype(x.dtype)


@quiet
def maximum(a: Array, b: Array) -> Array:
    """The larger of two, broadcasting; NaN if either is NaN; +0 is larger than -0. TENSOR-21"""
    larger = np.where(a > b, a, b)
    if larger.dtype.kind != "f":
        return larger
    return np.where(np.isnan(a) | ((a == 0) & (b == 0)), a + b, larger)


@quiet
def minimum(a: Array, b: Array) -> Array:
    """The smaller of two, broadcasting; NaN if either is NaN; -0 is smaller than +0. TENSOR-21"""
    smaller = np.where(a < b, a, b)
    if smaller.dtype.kind != "f":
        return smaller
    return np.where(np.isnan(a) | ((a == 0) & (b == 0)), -((-a) + (-b)), smaller)


@quiet
def reduce_maximum(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Largest element along `axis` by the order of `maximum`; the axis must not be empty."""
    return _extreme(x, axis, keepdims, np.maximum, positive=True)


@quiet
def reduce_minimum(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Smallest element along `axis` by the order of `minimum`; the axis must not be empty."""
    return _extreme(x, axis, keepdims, np.minimum, positive=False)


def _extreme(x: Array, axis: Axis, keepdims: bool, reduce: np.ufunc, positive: bool) -> Array:
    axes = _axes(axis, x.ndim)
    terms = _flattened(x, axes)
    result = np.asarray(reduce.reduce(terms, axis=-1))
    if x.dtype.kind == "f":
        # numpy leaves the sign of a zero extreme to the instruction that happened to run.
        wanted = ((terms == 0) & (np.signbit(terms) != positive)).any(axis=-1)
        zero = np.where(wanted == positive, 0.0, -0.0).astype(x.dtype)
        result = np.where(result == 0, zero, result)
    return _restored(result, x, axes, keepdims)
