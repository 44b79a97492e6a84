"""TENSOR-10, TENSOR-11: fused multiply-add and matrix products against exact arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synnergy.tensor import numerics
from tests.tensor.core import exact
from tests.tensor.core.building import bits, uniform

patterns = st.integers(0, 2**32 - 1).map(exact.float32_of)


def fused(a: float, b: float, c: float) -> float:
    return float(numerics.fma(*(np.array([v], np.float32) for v in (a, b, c)))[0])


@given(patterns, patterns, patterns)
@settings(max_examples=500)
def test_fma_of_any_bits_is_exact(a: float, b: float, c: float) -> None:
    assert exact.same(fused(a, b, c), exact.fma(a, b, c))


@given(
    st.integers(2**23, 2**24 - 1),
    st.integers(2**23, 2**24 - 1),
    st.integers(-60, 60),
    st.integers(2**23, 2**24 - 1),
    st.integers(-60, 60),
    st.booleans(),
)
@settings(max_examples=500)
def test_fma_where_product_and_addend_meet(
    a: int, b: int, low: int, c: int, high: int, negative: bool
) -> None:
    x, y, z = float(a), b * 2.0 ** (low - 40), c * 2.0**high * (-1 if negative else 1)
    assert exact.same(fused(x, y, z), exact.fma(x, y, z))


@pytest.mark.parametrize("scale", [2.0**-149, 2.0**-126, 1.0, 2.0**80])
def test_fma_next_to_ties(scale: float) -> None:
    # c + (half an ulp) ± a tiny product: rounding twice would lose the tiny part.
    for c in (1.0, 1.0 + 2.0**-23, 2.0 - 2.0**-23):
        for sign in (1.0, -1.0):
            a, b = 2.0**-24 * (1 + sign * 2.0**-23), 1.0 + 2.0**-23
            x, y, z = (float(np.float32(v)) for v in (a, b, c * 1.0))
            assert exact.same(fused(x, y, z), exact.fma(x, y, z))
            x, y, z = (float(np.float32(v)) for v in (a * scale, b, c * scale))
            assert exact.same(fused(x, y, z), exact.fma(x, y, z))


def test_fma_of_zeros_keeps_ieee_signs() -> None:
    for a in (0.0, -0.0):
        for b in (0.0, -0.0, 1.0, -1.0):
            for c in (0.0, -0.0):
                assert exact.same(fused(a, b, c), exact.fma(a, b, c))


def by_blocks(a: np.ndarray, b: np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
    """The rule itself for two matrices, one scalar operation after another."""
    result = np.zeros((a.shape[0], b.shape[1]), a.dtype)
    wide = a.dtype == np.float64
    for i in range(result.shape[0]):
        for j in range(result.shape[1]):
            total = None if start is None else float(start[i, j])
            for begin in range(0, a.shape[1], 256):
                block = 0.0
                for k in range(begin, min(begin + 256, a.shape[1])):
                    x, y = float(a[i, k]), float(b[k, j])
                    block = block + x * y if wide else exact.fma(x, y, block)
                total = block if total is None else float(a.dtype.type(total + block))
            result[i, j] = 0.0 if total is None else total
    return result


SHAPES = [(1, 1, 1), (2, 3, 2), (1, 256, 2), (2, 257, 1), (1, 600, 1), (3, 0, 2), (0, 4, 2)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("started", [False, True])
def test_matmul_follows_the_rule(shape: tuple[int, int, int], dtype: str, started: bool) -> None:
    m, k, n = shape
    a, b = uniform(f"a{shape}", (m, k), dtype), uniform(f"b{shape}", (k, n), dtype)
    start = uniform(f"c{shape}", (m, n), dtype) if started else None
    assert numerics.matmul(a, b, start).tobytes() == by_blocks(a, b, start).tobytes()


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 9), st.integers(1, 4))
@settings(max_examples=60)
def test_matmul_of_any_bits(seed: int, m: int, k: int, n: int) -> None:
    a = bits(f"m{seed}", m * k, "float32").reshape(m, k)
    b = bits(f"n{seed}", k * n, "float32").reshape(k, n)
    if seed % 2:  # small enough that products and sums are subnormal
        a = (a.view(np.uint32) & 0x9FFFFFFF | 0x10000000).view(np.float32)
        b = (b.view(np.uint32) & 0x9FFFFFFF | 0x10000000).view(np.float32)
    ours = numerics.canonicalise(numerics.matmul(a, b))
    with np.errstate(all="ignore"):
        assert ours.tobytes() == numerics.canonicalise(by_blocks(a, b)).tobytes()


@pytest.mark.parametrize("k", [5, 255, 256, 257, 700])
def test_tiles_and_blocks_do_not_change_bits(k: int) -> None:
    a, b = uniform(f"ta{k}", (40, k)), uniform(f"tb{k}", (k, 1100))
    whole = numerics.matmul(a, b)
    for i, j in ((0, 0), (17, 1023), (39, 1024), (39, 1099)):
        assert numerics.matmul(a[i], b[:, j]).tobytes() == whole[i, j].tobytes()


def test_half_way_data_takes_the_careful_path() -> None:
    """Sums of halves of last bits: every step is a tie in float64's view of float32."""
    a = np.array([[1.0, 2.0**-24, 2.0**-49, -(2.0**-49)]], np.float32)
    b = np.array([[1.0], [1.0], [1.0], [1.0]], np.float32)
    assert numerics.matmul(a, b).tobytes() == by_blocks(a, b).tobytes()
    assert numerics.matmul(a[:, ::-1], b).tobytes() == by_blocks(a[:, ::-1], b).tobytes()


def test_underflow_in_a_long_block_keeps_the_sign_of_zero() -> None:
    a = np.full((1, 300), -(2.0**-80), np.float32)
    b = np.full((300, 1), 2.0**-80, np.float32)
    assert numerics.matmul(a, b).tobytes() == by_blocks(a, b).tobytes()


@given(st.integers(0, 2**32 - 1), st.sampled_from(["int32", "int64", "uint32", "uint64"]))
@settings(max_examples=30)
def test_integers_wrap_around(seed: int, dtype: str) -> None:
    width = np.dtype(dtype).itemsize * 8
    a, b = bits(f"i{seed}", 6, dtype).reshape(2, 3), bits(f"j{seed}", 6, dtype).reshape(3, 2)
    start = bits(f"k{seed}", 2, dtype)
    ours = numerics.matmul(a, b, start)
    for i in range(2):
        for j in range(2):
            total = sum(int(a[i, k]) * int(b[k, j]) for k in range(3)) + int(start[j])
            assert (int(ours[i, j]) - total) % 2**width == 0


@pytest.mark.parametrize(
    ("left", "right"),
    [((3,), (3,)), ((3,), (2, 3, 4)), ((2, 4, 3), (3,)), ((5, 1, 2, 3), (4, 3, 2))],
)
def test_ranks_and_broadcasting_are_numpys(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    a, b = uniform(f"l{left}", left), uniform(f"r{right}", right)
    ours = numerics.matmul(a, b)
    assert ours.shape == np.matmul(a, b).shape
    np.testing.assert_allclose(ours, np.matmul(a, b), rtol=1e-5, atol=1e-6)


def test_half_precision_rounds_once() -> None:
    a, b = uniform("ha", (3, 40), "float16"), uniform("hb", (40, 2), "float16")
    wide = numerics.matmul(a.astype(np.float32), b.astype(np.float32))
    assert numerics.matmul(a, b).tobytes() == wide.astype(np.float16).tobytes()


def test_shapes_that_do_not_fit_raise() -> None:
    with pytest.raises(ValueError, match="inner dimensions"):
        numerics.matmul(np.zeros((2, 3), np.float32), np.zeros((4, 2), np.float32))
