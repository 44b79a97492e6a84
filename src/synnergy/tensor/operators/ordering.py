"""A total order of tensor elements: integer keys that compare as the values should.

SHAPE-4: -inf < finite < +inf < NaN; -0 and +0 are one value, all NaN are one value. Bools order
False < True, strings by code point. Equal elements keep the order of their indices.
"""

from __future__ import annotations

import numpy as np

from synnergy.tensor.types import Array

_BITS = {2: np.int16, 4: np.int32, 8: np.int64}


def float_keys(x: Array, merge_zeros: bool = True) -> Array:
    """Integers of the float's width in the order of its values.

    With `merge_zeros` -0 and +0 share a key, otherwise -0 comes just before +0.
    """
    plain = np.where(np.isnan(x), np.abs(x.dtype.type(np.nan)), x)
    if merge_zeros:
        plain = np.where(plain == 0, x.dtype.type(0), plain)
    integer = _BITS[x.dtype.itemsize]
    bits = plain.astype(x.dtype).view(integer)
    return np.where(bits < 0, bits ^ np.iinfo(integer).max, bits)


def from_float_keys(keys: Array, dtype: np.dtype[np.generic]) -> Array:
    """The values whose `float_keys(merge_zeros=False)` these are."""
    highest = np.iinfo(keys.dtype).max
    return np.where(keys < 0, keys ^ highest, keys).astype(keys.dtype).view(dtype)


def keys(x: Array) -> Array:
    """Integers of any width that order elements of any type by SHAPE-4."""
    if x.dtype.kind == "f":
        return float_keys(x)
    if x.dtype.kind == "O":
        _, ranks = np.unique(x, return_inverse=True)
        return ranks.reshape(x.shape)
    return x.astype(np.uint8) if x.dtype.kind == "b" else x


def argsort(x: Array, descending: bool = False) -> Array:
    """Stable order along the last axis; equal elements in order of index either way."""
    order = keys(x)
    if not descending:
        return np.argsort(order, axis=-1, kind="stable")
    backwards = np.argsort(order[..., ::-1], axis=-1, kind="stable")
    return (x.shape[-1] - 1 - backwards)[..., ::-1]
