"""Fused multiply-add and matrix products in the one order that every kernel shares.

TENSOR-10: a float32 dot product runs over k in blocks of 256; inside a block fused multiply-adds
in order of k starting from +0; block sums are added in order. float64 uses a separate multiply
and add in the same blocks; float16 is widened to float32 and rounded once at the end; integers
wrap around.
"""

from __future__ import annotations

import numpy as np

from synnergy.tensor.environment import quiet
from synnergy.tensor.types import Array

#: Terms of a dot product that are summed before the sum joins the others.
BLOCK = 256

# Output elements handled at once: the working arrays of a tile then stay in the processor's cache.
_TILE = 1 << 14


@quiet
def fma(a: Array, b: Array, c: Array) -> Array:
    """float32 `a * b + c` rounded once, broadcasting. TENSOR-11

    The product of two float32 is exact in float64. The sum is made exact by TwoSum and rounded
    to odd (Boldo and Melquiond 2008), so that the cast to float32 is the only rounding.
    """
    product = a.astype(np.float64) * b.astype(np.float64)
    return _add_rounded_once(product, c.astype(np.float64)).astype(np.float32)


def _add_rounded_once(product: Array, addend: Array) -> Array:
    """`product + addend` in float64, rounded to odd: casting it to float32 rounds once."""
    total = product + addend
    shadow = total - product
    error = (product - (total - shadow)) + (addend - shadow)
    bits = np.atleast_1d(total).view(np.int64)
    inexact = (error != 0) & np.isfinite(error)
    toward = np.where((error > 0) == (total > 0), np.int64(1), np.int64(-1))
    bits += np.where(inexact & ((bits & 1) == 0), toward, np.int64(0))
    return bits.view(np.float64).reshape(np.shape(total))


@quiet
def matmul(a: Array, b: Array, start: Array | None = None) -> Array:
    """numpy's matmul (its ranks and broadcasting) in the order of TENSOR-10.

    With `start`, which broadcasts to the result, the sum starts from it and adds the block sums
    in order (Gemm's bias). An empty sum gives zeros, or `start`. Raises ValueError on shapes
    that do not fit.
    """
    dtype = a.dtype
    if dtype == np.float16:
        wide = None if start is None else start.astype(np.float32)
        return matmul(a.astype(np.float32), b.astype(np.float32), wide).astype(dtype)
    if dtype.kind != "f":
        exact = np.matmul(a, b).astype(dtype)
        return exact if start is None else (exact + start).astype(dtype)
    left = a[np.newaxis, :] if a.ndim == 1 else a
    right = b[:, np.newaxis] if b.ndim == 1 else b
    if left.shape[-1] != right.shape[-2]:
        raise ValueError(f"matmul of {a.shape} and {b.shape}: inner dimensions differ")
    rows, columns = left.shape[-2], right.shape[-1]
    batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    shape = (*batch, rows, columns)
    final = (*batch, *((rows,) if a.ndim > 1 else ()), *((columns,) if b.ndim > 1 else ()))
    result = np.zeros(shape, dtype)
    if start is not None:
        result[...] = np.broadcast_to(start, final).reshape(shape)
    if result.size and left.shape[-1]:
        lefts = np.broadcast_to(left, (*batch, *left.shape[-2:]))
        rights = np.broadcast_to(right, (*batch, *right.shape[-2:]))
        for index in np.ndindex(*batch):
            _multiply_into(result[index], lefts[index], rights[index], start is not None)
    return result.reshape(final)


def _multiply_into(result: Array, left: Array, right: Array, started: bool) -> None:
    """Add the product of two matrices to `result`, tile by tile of outputs."""
    rows, columns = result.shape
    width = min(columns, 1024)
    height = max(1, _TILE // width)
    for row in range(0, rows, height):
        for column in range(0, columns, width):
            tile = result[row : row + height, column : column + width]
            _tile_into(tile, left[row : row + height], right[:, column : column + width], started)


def _tile_into(tile: Array, left: Array, right: Array, started: bool) -> None:
    """Compute one tile; several blocks of k advance together where the tile is small."""
    terms = left.shape[1]
    together = max(1, _TILE // tile.size)
    accumulate = _fused_blocks if tile.dtype == np.float32 else _separate_blocks
    first = not started
    for begin in range(0, terms, BLOCK * together):
        end = min(begin + BLOCK * together, terms)
        for block in accumulate(left[:, begin:end], right[begin:end]):
            if first:
                tile[...] = block
                first = False
            else:
                tile += block


def _blocks(left: Array, right: Array) -> tuple[Array, Array, int, int]:
    """Operands as float64 [k in block, block, row or column]; whole blocks; terms of the last."""
    terms = left.shape[1]
    count = -(-terms // BLOCK)
    last = terms - (count - 1) * BLOCK
    lefts = np.zeros((count * BLOCK, left.shape[0]), np.float64)
    rights = np.zeros((count * BLOCK, right.shape[1]), np.float64)
    lefts[:terms] = left.T
    rights[:terms] = right
    return (
        np.ascontiguousarray(lefts.reshape(count, BLOCK, -1).swapaxes(0, 1)),
        np.ascontiguousarray(rights.reshape(count, BLOCK, -1).swapaxes(0, 1)),
        count,
        last,
    )


def _fused_blocks(left: Array, right: Array) -> Array:
    """float32 block sums [block, row, column] by fused multiply-adds, as float32."""
    lefts, rights, count, last = _blocks(left, right)
    shape = (count, left.shape[0], right.shape[1])
    sums = np.zeros(shape, np.float64)  # float32 values, kept wide
    product, total, shadow, error = (np.empty(shape, np.float64) for _ in range(4))
    narrow = np.empty(shape, np.float32)
    half = np.int64(1 << 28)
    low = np.int64((1 << 29) - 1)
    for k in range(min(BLOCK, left.shape[1])):
        # A padded zero could turn a sum of -0 into +0, so finished blocks are left alone.
        active = count if k < last else count - 1
        p, t, s = product[:active], total[:active], sums[:active]
        np.multiply(lefts[k, :active, :, None], rights[k, :active, None, :], out=p)
        np.add(p, s, out=t)
        bits = t.view(np.int64)
        # Rounding twice can differ only where the float64 sum is a midpoint of two float32:
        # its low 29 bits are then 1 and 28 zeros, or the sum is below the normal range.
        if ((bits & low) == half).any() or (np.abs(t) < 2.0**-126).any():
            h, e = shadow[:active], error[:active]
            np.subtract(t, p, out=h)
            np.subtract(t, h, out=e)
            np.subtract(p, e, out=e)
            np.subtract(s, h, out=h)
            np.add(e, h, out=e)
            inexact = (e != 0) & np.isfinite(e) & ((bits & 1) == 0)
            bits += np.where(inexact, np.where((e > 0) == (t > 0), 1, -1), 0)
        np.copyto(narrow[:active], t, casting="same_kind")
        np.copyto(s, narrow[:active])
    return sums.astype(np.float32)


def _separate_blocks(left: Array, right: Array) -> Array:
    """float64 block sums [block, row, column] by a multiply and an add for each term."""
    lefts, rights, count, last = _blocks(left, right)
    sums = np.zeros((count, left.shape[0], right.shape[1]), np.float64)
    product = np.empty_like(sums)
    for k in range(min(BLOCK, left.shape[1])):
        active = count if k < last else count - 1
        p, s = product[:active], sums[:active]
        np.multiply(lefts[k, :active, :, None], rights[k, :active, None, :], out=p)
        np.add(s, p, out=s)
    return sums
