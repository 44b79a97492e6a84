"""Matrix products on a GPU have the reference's bits. Skipped where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from synnergy.tensor import gpu, products
from synnergy.tensor.casts import canonicalise
from tests.tensor.kernels.same import hostile_floats


def available() -> str:
    try:
        gpu.matmul(np.ones((1, 1), np.float32), np.ones((1, 1), np.float32))
    except gpu.NoGpu as error:
        return str(error)
    return ""


REASON = available()
pytestmark = pytest.mark.skipif(bool(REASON), reason=f"no GPU: {REASON}")

SHAPES = [
    *((1, 1, 1), (3, 5, 7), (128, 256, 128), (129, 257, 131), (64, 784, 128), (33, 512, 260)),
    *((300, 1000, 4), (4, 1023, 300)),
]


@pytest.mark.parametrize(("m", "k", "n"), SHAPES)
@pytest.mark.parametrize("hostile", [False, True])
@pytest.mark.parametrize("start", [None, (), ("n",), ("m", 1), ("m", "n")])
def test_bits(m: int, k: int, n: int, hostile: bool, start: tuple[str | int, ...] | None) -> None:
    def values(shape: tuple[int, ...], seed: int) -> np.ndarray:
        if hostile:
            return hostile_floats(shape, seed=seed)
        return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)

    a, b = values((m, k), 1), values((k, n), 2)
    sizes = {"m": m, "n": n}
    shape = None if start is None else tuple(sizes.get(each, 1) for each in start)
    given = None if shape is None else values(shape, 3)
    expected = canonicalise(products.matmul(a, b, given))
    assert gpu.matmul(a, b, given).tobytes() == expected.tobytes()


def test_underflow_keeps_the_sign_of_zero() -> None:
    a, b = np.float32([[-(2.0**-100)]]), np.float32([[2.0**-100]])
    assert np.signbit(gpu.matmul(a, b))[0, 0]
    assert not np.signbit(gpu.matmul(a, b, np.zeros((1, 1), np.float32)))[0, 0]
