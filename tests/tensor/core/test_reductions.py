"""TENSOR-12, TENSOR-20, TENSOR-21: ordered sums and extremes against scalar oracles."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synnergy.tensor import numerics
from tests.tensor.core.building import bits, uniform


def ordered(values: list[np.generic], multiply: bool = False) -> np.generic:
    """The rule for one vector of scalars."""
    kind = type(values[0])
    lanes = [kind(1 if multiply else 0)] * 16
    for i, value in enumerate(values):
        lanes[i % 16] = lanes[i % 16] * value if multiply else lanes[i % 16] + value
    while len(lanes) > 1:
        half = len(lanes) // 2
        pairs = zip(lanes[:half], lanes[half:], strict=True)
        lanes = [a * b if multiply else a + b for a, b in pairs]
    return lanes[0]


@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 31, 33, 100])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize("multiply", [False, True])
def test_vectors_follow_the_rule(count: int, dtype: str, multiply: bool) -> None:
    x = uniform(f"s{count}", (count,), dtype)
    function = numerics.ordered_product if multiply else numerics.ordered_sum
    with np.errstate(all="ignore"):
        wanted = ordered(list(x), multiply)
    assert np.asarray(function(x)).tobytes() == np.asarray(wanted, dtype).tobytes()


def test_long_axes_follow_the_rule() -> None:
    x = uniform("long", (3, 40007))
    wanted = np.zeros((3, 16), np.float32)
    for begin in range(0, x.shape[1], 16):
        row = x[:, begin : begin + 16]
        wanted[:, : row.shape[1]] += row
    for half in (8, 4, 2, 1):
        wanted = wanted[:, :half] + wanted[:, half:]
    assert numerics.ordered_sum(x, 1).tolist() == wanted[:, 0].tolist()
    flat = uniform("long", (1 << 20,))
    assert numerics.ordered_sum(flat) == numerics.ordered_sum(np.stack([flat] * 3), 1)[1]


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2), (-1,), ()])
@pytest.mark.parametrize("keep", [False, True])
def test_axes_are_flattened_in_row_major_order(axes: tuple[int, ...], keep: bool) -> None:
    x = uniform("axes", (3, 5, 7))
    result = numerics.ordered_sum(x, axes, keep)
    assert result.shape == np.sum(x, axis=axes, keepdims=keep).shape
    positive = {a % 3 for a in axes}
    kept = [range(n) if a not in positive else [slice(None)] for a, n in enumerate(x.shape)]
    flat = result.reshape([n for a, n in enumerate(x.shape) if a not in positive])
    for where in itertools.product(*kept):
        place = tuple(i for i in where if not isinstance(i, slice))
        assert flat[place] == ordered(list(np.asarray(x[where]).reshape(-1)))


def test_memory_layout_does_not_matter() -> None:
    x = uniform("layout", (37, 21))
    turned = np.asfortranarray(x)
    assert numerics.ordered_sum(x, 1).tobytes() == numerics.ordered_sum(turned, 1).tobytes()
    assert numerics.ordered_sum(x, 0).tobytes() == numerics.ordered_sum(x.T, 1).tobytes()


def test_signs_of_zero_and_empty_sums() -> None:
    negative = np.array([-0.0, -0.0], np.float32)
    assert math.copysign(1, float(numerics.ordered_sum(negative))) == 1
    empty = np.zeros((2, 0), np.float32)
    assert numerics.ordered_sum(empty, 1).tolist() == [0.0, 0.0]
    assert numerics.ordered_product(empty, 1).tolist() == [1.0, 1.0]
    assert np.isnan(numerics.ordered_mean(empty, 1)).all()


def test_integer_means_and_quotients_truncate() -> None:
    x = np.array([[-7, 2], [7, 2]], np.int32)
    assert numerics.ordered_mean(x, 1).tolist() == [-2, 4]
    a = np.array([7, -7, 7, -7, 5, -(2**31)], np.int32)
    b = np.array([2, 2, -2, -2, 0, -1], np.int32)
    with np.errstate(all="ignore"):
        assert numerics.truncated_divide(a, b).tolist() == [3, -3, -3, 3, 0, -(2**31)]
    unsigned = np.array([7, 250], np.uint8)
    with np.errstate(all="ignore"):
        quotients = numerics.truncated_divide(unsigned, np.array([2, 0], np.uint8))
    assert quotients.tolist() == [3, 0]


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_running_sums(exclusive: bool, reverse: bool) -> None:
    x = uniform("running", (4, 6))
    result = numerics.cumulative_sum(x, 1, exclusive, reverse)
    for row, sums in zip(x.tolist(), result.tolist(), strict=True):
        total, wanted = np.float32(0), []
        for value in reversed(row) if reverse else row:
            before = total
            total = np.float32(total + np.float32(value))
            wanted.append(float(before if exclusive else total))
        assert sums == (wanted[::-1] if reverse else wanted)


SPECIAL = [0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 1e-45]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_extremes_of_special_values(dtype: str) -> None:
    for a, b in itertools.product(SPECIAL, repeat=2):
        x, y = np.array([a], dtype), np.array([b], dtype)
        for two, many, zero in (
            (numerics.maximum, numerics.reduce_maximum, 0.0),
            (numerics.minimum, numerics.reduce_minimum, -0.0),
        ):
            result = two(x, y)[0]
            again = many(np.concatenate([x, y]))
            if a != a or b != b:
                assert np.isnan(result)
                assert np.isnan(again)
                continue
            pick = max if zero == 0 and math.copysign(1, zero) > 0 else min
            wanted = pick(float(x[0]), float(y[0]))
            assert result == wanted
            assert again == wanted
            if wanted == 0 and float(x[0]) == float(y[0]) == 0:
                signs = {bool(np.signbit(x[0])), bool(np.signbit(y[0]))}
                negative = signs == {True} if pick is max else True in signs
                assert bool(np.signbit(result)) == negative
                assert bool(np.signbit(again)) == negative


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
@settings(max_examples=50)
def test_extremes_of_any_bits_are_a_fold(seed: int, count: int) -> None:
    x = bits(f"e{seed}", count, "float32")
    fold = x[:1]
    for value in x[1:]:
        fold = numerics.maximum(fold, np.array([value]))
    ours = numerics.canonicalise(np.asarray(numerics.reduce_maximum(x)).reshape(1))
    assert ours.tobytes() == numerics.canonicalise(fold).tobytes()
