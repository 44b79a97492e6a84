"""NaN, infinities, signed zeros, overflow and emptiness, operator by operator. TENSOR-18 to -22"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from synnergy.tensor import load
from tests.tensor.core import exact
from tests.tensor.core.building import single

NAN, INF = math.nan, math.inf


def run(operator: str, *arrays: Any, opset: int = 22, outputs: int = 1, **attributes: Any) -> Any:
    proto, fed = single(operator, list(arrays), opset, outputs, **attributes)
    results = [array for _, _, array in load(proto.SerializeToString()).execute(fed)]
    return results[0] if outputs == 1 else results


FLOATS = [
    ("Relu", [NAN, -0.0, -1.0, INF, -INF], [NAN, 0.0, 0.0, INF, 0.0], {}),
    ("LeakyRelu", [NAN, -0.0, -INF], [NAN, -0.0, -INF], {}),
    ("Elu", [NAN, -INF, -0.0, INF], [NAN, -1.0, -0.0, INF], {}),
    ("Celu", [NAN, -INF, INF], [NAN, -1.0, INF], {}),
    ("HardSigmoid", [NAN, -INF, INF], [NAN, 0.0, 1.0], {}),
    ("Sigmoid", [NAN, -INF, INF, -0.0], [NAN, 0.0, 1.0, 0.5], {}),
    ("Tanh", [NAN, -INF, INF, -0.0], [NAN, -1.0, 1.0, -0.0], {}),
    ("Softplus", [NAN, -INF, INF], [NAN, 0.0, INF], {}),
    ("ThresholdedRelu", [NAN, 0.5, 2.0], [NAN, 0.0, 2.0], {}),
    ("Shrink", [NAN, 0.25, INF], [NAN, 0.0, INF], {}),
    ("Sign", [NAN, -0.0, -INF, 5.0], [NAN, 0.0, -1.0, 1.0], {}),
    ("Round", [0.5, 1.5, -0.5, -2.5, INF], [0.0, 2.0, -0.0, -2.0, INF], {}),
    ("Ceil", [-0.5, NAN, INF], [-0.0, NAN, INF], {}),
    ("Neg", [0.0, -0.0, NAN], [-0.0, 0.0, NAN], {}),
    ("Reciprocal", [0.0, -0.0, INF, -INF], [INF, -INF, 0.0, -0.0], {}),
    ("Exp", [88.8, -104.0, -INF], [INF, 0.0, 0.0], {}),
    ("Log", [0.0, -1.0, INF], [-INF, NAN, INF], {}),
    ("Sqrt", [-0.0, -1.0, INF], [-0.0, NAN, INF], {}),
]


@pytest.mark.parametrize(("operator", "given", "wanted", "attributes"), FLOATS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_input(
    operator: str, given: list[float], wanted: list[float], attributes: dict[str, Any], dtype: str
) -> None:
    if operator == "Exp" and dtype == "float64":
        given = [710.0, -746.0, -INF]
    result = run(operator, np.array(given, dtype), **attributes)
    assert all(exact.same(a, b) for a, b in zip(result.tolist(), wanted, strict=True)), result


def test_clip() -> None:
    x = np.float32([NAN, -INF, INF, 0.5, -0.0])
    low, high = np.array(0, np.float32), np.array(1, np.float32)
    wanted = [NAN, 0.0, 1.0, 0.5, 0.0]
    assert all(map(exact.same, run("Clip", x, low, high).tolist(), wanted))
    assert run("Clip", np.float32([0.5]), high, low).tolist() == [0.0]  # the wrong way round
    assert run("Clip", x, None, None)[1] == -INF
    assert run("Clip", x, opset=9)[1] == -np.finfo(np.float32).max
    assert run("Clip", np.int64([-5, 5]), np.array(-1), np.array(2)).tolist() == [-1, 2]


def test_extremes_keep_signs_of_zero_in_either_order() -> None:
    zeros = np.float32([0.0, -0.0])
    for operator, sign in (("Max", 1.0), ("Min", -1.0)):
        result = run(operator, zeros, zeros[::-1].copy())
        assert [math.copysign(1, value) for value in result.tolist()] == [sign, sign]
        assert np.isnan(run(operator, np.float32([NAN, 1.0]), np.float32([1.0, NAN]))).all()


def test_integer_arithmetic() -> None:
    smallest = np.int32([-(2**31)])
    assert run("Neg", smallest).tolist() == [-(2**31)]
    assert run("Abs", smallest).tolist() == [-(2**31)]
    assert run("Add", smallest, np.int32([-1])).tolist() == [2**31 - 1]
    assert run("Div", np.int32([-7, 7, 7]), np.int32([2, -2, 0])).tolist() == [-3, -3, 0]
    a, b = np.int32([-7, 7, 7, -(2**31)]), np.int32([3, -3, 0, -1])
    assert run("Mod", a, b).tolist() == [2, -2, 0, 0]
    assert run("Mod", a, b, fmod=1).tolist() == [-1, 1, 0, 0]


def test_shifts_beyond_the_width() -> None:
    x, by = np.uint8([255, 255, 255]), np.uint8([1, 8, 200])
    assert run("BitShift", x, by, direction="LEFT").tolist() == [254, 0, 0]
    assert run("BitShift", x, by, direction="RIGHT").tolist() == [127, 0, 0]


def test_remainders_of_floats() -> None:
    a, b = np.float32([-7.5, 7.5, INF, 1.0, -0.0]), np.float32([2.0, -2.0, 2.0, INF, 2.0])
    wanted = [-1.5, 1.5, NAN, 1.0, -0.0]
    assert all(map(exact.same, run("Mod", a, b, fmod=1).tolist(), wanted))


def test_softmax_of_extremes() -> None:
    x = np.float32([[1000.0, 0.0], [-INF, 0.0], [NAN, 0.0], [INF, 0.0], [-INF, -INF]])
    result = run("Softmax", x)
    assert result[0].tolist() == [1.0, 0.0]
    assert result[1].tolist() == [0.0, 1.0]
    assert np.isnan(result[2:]).all()
    assert run("LogSoftmax", x)[1].tolist() == [-INF, 0.0]
    assert run("Softmax", np.zeros((2, 0), np.float32)).shape == (2, 0)


def test_hardmax_takes_the_first() -> None:
    x = np.float32([[1, 3, 3], [2, NAN, 5]])
    assert run("Hardmax", x).tolist() == [[0, 1, 0], [0, 1, 0]]


def test_old_softmax_counts_all_later_axes_as_one() -> None:
    x = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    old, new = run("Softmax", x, opset=11), run("Softmax", x, opset=13)
    np.testing.assert_allclose(old.sum(axis=(1, 2)), 1, rtol=1e-6)
    np.testing.assert_allclose(new.sum(axis=2), 1, rtol=1e-6)


def test_pooling_of_nan_ties_and_padding() -> None:
    x = np.float32([[[1, NAN, 2, 2, -INF, -INF]]])
    values, places = run("MaxPool", x, outputs=2, kernel_shape=[2], strides=[2])
    assert all(map(exact.same, values.reshape(-1).tolist(), [NAN, 2.0, -INF]))
    assert places.reshape(-1).tolist() == [1, 2, 4]
    padded, where = run("MaxPool", x[:, :, 4:], outputs=2, kernel_shape=[2], pads=[1, 1])
    assert padded.reshape(-1).tolist() == [-INF] * 3
    assert where.reshape(-1).tolist() == [0, 0, 1]
    average = run("AveragePool", np.float32([[[2, 4]]]), kernel_shape=[2], pads=[1, 1])
    assert average.reshape(-1).tolist() == [2, 3, 4]


def test_convolution_of_infinities_is_not_spoilt_by_padding() -> None:
    """Padding is zero, so an infinite weight over padding gives NaN, as IEEE says."""
    x, w = np.float32([[[1, 2]]]), np.float32([[[INF, 1]]])
    result = run("Conv", x, w, pads=[1, 0])
    assert all(map(exact.same, result.reshape(-1).tolist(), [NAN, INF]))


def test_norms_of_nothing() -> None:
    zeros = np.zeros((2, 3), np.float32)
    assert run("LpNormalization", zeros).tolist() == zeros.tolist()
    scale = np.ones(3, np.float32)
    assert run("LayerNormalization", zeros, scale).tolist() == zeros.tolist()


def test_half_precision_rounds_once() -> None:
    x = np.float16([0.1, 1.5, -2.25, 6.1e-5])
    for operator in ("Exp", "Sigmoid", "Tanh", "Erf", "Sin"):
        wide = run(operator, x.astype(np.float64))
        assert run(operator, x).tolist() == wide.astype(np.float16).tolist()


def test_empty_tensors() -> None:
    left, right = np.zeros((3, 0), np.float32), np.zeros((0, 2), np.float32)
    assert run("MatMul", left, right).tolist() == [[0.0, 0.0]] * 3
    bias = np.float32([1, 2])
    assert run("Gemm", left, right, bias).tolist() == [[1.0, 2.0]] * 3
    for operator in ("Relu", "Exp", "Softmax", "Hardmax"):
        assert run(operator, np.zeros((4, 0), np.float32)).shape == (4, 0)
