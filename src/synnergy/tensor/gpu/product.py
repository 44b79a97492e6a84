"""`product.cu`, compiled at run time for the GPU at hand."""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from typing import Any

import numpy as np

from synnergy.tensor.casts import canonicalise
from synnergy.tensor.products import BLOCK
from synnergy.tensor.types import Array

_TILE = 128
_SOURCE = Path(__file__).with_name("product.cu")
#: Partial sums of one product may take this many bytes on the GPU.
_PARTIAL_BYTES = 1 << 29


class NoGpu(RuntimeError):
    """There is no CuPy, or no GPU that it can use."""


@functools.cache
def _cupy() -> Any:
    try:
        cupy: Any = importlib.import_module("cupy")
        if cupy.cuda.runtime.getDeviceCount() < 1:
            raise NoGpu("this machine has no GPU")
    except ImportError as error:
        raise NoGpu(f'CuPy is not installed; pip install "synnergy[gpu]" ({error})') from error
    except Exception as error:  # CuPy's own errors derive from RuntimeError only in part
        raise NoGpu(f"no GPU can be used: {error}") from error
    return cupy


@functools.cache
def _kernel(name: str, vector: bool = False, split: bool = False) -> Any:
    options = (
        "--std=c++17",
        "--ftz=false",
        "--fmad=false",
        f"-DVECTOR={int(vector)}",
        f"-DSPLIT={int(split)}",
    )
    module = _cupy().RawModule(code=_SOURCE.read_text("utf-8"), options=options)
    return module.get_function(name)


@functools.cache
def _processors() -> int:
    return int(_cupy().cuda.Device().attributes["MultiProcessorCount"])


def matmul(a: Array, b: Array, start: Array | None = None) -> Array:
    """float32 a [m, k] times b [k, n] with the bits of `products.matmul`, NaN canonicalised.

    `start`, which broadcasts to [m, n], is where sums begin (Gemm's bias). Raises NoGpu where
    there is none, ValueError on shapes and types that don't fit.
    """
    cupy = _cupy()
    given = None if start is None else cupy.asarray(np.ascontiguousarray(start))
    product = device_matmul(cupy.asarray(a), cupy.asarray(b), given)
    return canonicalise(cupy.asnumpy(product))


def device_matmul(a: Any, b: Any, start: Any = None) -> Any:
    """`matmul` of CuPy arrays on the GPU, into a new one; the payload of a NaN is the GPU's."""
    cupy = _cupy()
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"matmul of {a.shape} and {b.shape}: they must be matrices that fit")
    if any(x.dtype != cupy.float32 for x in (a, b, start) if x is not None):
        raise ValueError("a GPU multiplies float32 alone")
    (m, k), n = a.shape, b.shape[1]
    a, b = cupy.ascontiguousarray(a), cupy.ascontiguousarray(b)
    rows, columns = 0, 0
    if start is not None:
        start = cupy.broadcast_to(start, (m, n))
        rows, columns = (stride // 4 for stride in start.strides)
    if not m * n * k:
        return cupy.zeros((m, n), cupy.float32) if start is None else start.copy()
    vector = k % 4 == 0 and n % 4 == 0
    grid = (-(-n // _TILE), -(-m // _TILE))
    blocks = -(-k // BLOCK)
    few = grid[0] * grid[1] < _processors()
    split = blocks > 1 and few and blocks * m * n * 4 <= _PARTIAL_BYTES
    nothing = np.uintp(0)
    given = nothing if start is None else start
    result = cupy.empty((m, n), cupy.float32)
    sizes = (np.int32(m), np.int32(n))
    strides = (np.int64(rows), np.int64(columns))
    kernel = _kernel("product", vector, split)
    rest = (*sizes, np.int32(k), np.int64(k), np.int64(n), *strides)
    if not split:
        kernel(grid, (256,), (a, b, given, result, *rest))
        return result
    partial = cupy.empty((blocks, m, n), cupy.float32)
    kernel((*grid, blocks), (256,), (a, b, nothing, partial, *rest))
    threads = (-(-m * n // 256),)
    _kernel("add_blocks")(
        threads, (256,), (partial, given, result, *sizes, np.int32(blocks), *strides)
    )
    return result
