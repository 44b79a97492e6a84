"""Reductions, running sums and einsum against onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synnergy.tensor import numerics
from synnergy.tensor.types import Array, Refuse

from .oracle import check, infer, make, ours

RNG = np.random.default_rng(5)
EXAMPLES = settings(max_examples=15, deadline=None)
NAMES = [
    "ReduceSum",
    "ReduceMean",
    "ReduceMax",
    "ReduceMin",
    "ReduceProd",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceSumSquare",
]
EMPTY = {
    "ReduceSum": 0.0,
    "ReduceMean": np.nan,
    "ReduceMax": -np.inf,
    "ReduceMin": np.inf,
    "ReduceProd": 1.0,
    "ReduceL1": 0.0,
    "ReduceL2": 0.0,
    "ReduceLogSum": -np.inf,
    "ReduceLogSumExp": -np.inf,
    "ReduceSumSquare": 0.0,
}


def floats(*shape: int) -> Array:
    return RNG.uniform(0.1, 2.0, size=shape).astype(np.float32)


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


@pytest.mark.parametrize("name", NAMES)
@EXAMPLES
@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=4), data=st.data())
def test_reduce(name: str, shape: list[int], data: st.DataObject) -> None:
    """SHAPE-50"""
    rank = len(shape)
    axes = data.draw(st.lists(st.integers(0, rank - 1), unique=True, min_size=1, max_size=rank))
    signed = [axis - rank * data.draw(st.integers(0, 1)) for axis in axes]
    keep = {"keepdims": data.draw(st.integers(0, 1))}
    x = floats(*shape)
    check(name, [x, ints(*signed)], keep, opset=18, tolerance=1e-5)
    if name != "ReduceSum":
        check(name, [x], {"axes": signed, **keep}, opset=13, tolerance=1e-5)
    check(name, [x], {"axes": axes, **keep}, opset=11, tolerance=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_no_axes(name: str) -> None:
    """SHAPE-50"""
    x = floats(2, 3)
    check(name, [x, ints()], {"noop_with_empty_axes": 1}, tolerance=1e-6)
    check(name, [x], {"keepdims": 0}, tolerance=1e-6)
    check(name, [np.array(0.5, np.float32)], tolerance=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_axis(name: str) -> None:
    """SHAPE-52"""
    inputs = [np.zeros((2, 0), np.float32), ints(1)]
    (result,) = ours(make(name, inputs), inputs, 18, (1,))
    np.testing.assert_array_equal(result, np.full((2, 1), EMPTY[name], np.float32))


@pytest.mark.parametrize("name", ["ReduceMax", "ReduceMin"])
def test_extremes_of_no_integers_and_of_bools(name: str) -> None:
    """SHAPE-52"""
    limits = np.iinfo(np.int32)
    inputs = [np.zeros((1, 0), np.int32), ints(1)]
    (result,) = ours(make(name, inputs), inputs, 18, (1,))
    assert result.item() == (limits.min if name == "ReduceMax" else limits.max)
    bools = [np.array([[True, False], [True, True]]), ints(1)]
    (result,) = ours(make(name, bools), bools, 20, (1,))
    assert result[:, 0].tolist() == ([True, True] if name == "ReduceMax" else [False, True])


@pytest.mark.parametrize("name", NAMES)
def test_nan_and_infinities(name: str) -> None:
    """SHAPE-53"""
    x = np.array([[1, np.nan], [np.inf, np.inf], [-np.inf, -np.inf]], np.float32)
    inputs = [x, ints(1)]
    (result,) = ours(make(name, inputs), inputs, 18, (1,))
    assert np.isnan(result[0, 0])
    expected = {"ReduceLogSum": np.nan, "ReduceMax": -np.inf, "ReduceMin": -np.inf}
    if name in ("ReduceLogSumExp", "ReduceSum", "ReduceMean"):
        expected[name] = -np.inf
    np.testing.assert_array_equal(result[2, 0], np.float32(expected.get(name, np.inf)))
    assert result[1, 0] == np.inf


@pytest.mark.parametrize("name", ["ReduceMax", "ReduceMin"])
def test_extremes_order_zeros(name: str) -> None:
    """SHAPE-55"""
    for zeros in ([0.0, -0.0], [-0.0, 0.0], [-0.0] * 9 + [0.0] + [-0.0] * 9):
        inputs = [np.array(zeros, np.float32), ints(0)]
        (result,) = ours(make(name, inputs), inputs, 18, (1,))
        assert np.signbit(result[0]) == (name == "ReduceMin")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_integers(name: str, dtype: str) -> None:
    """SHAPE-51"""
    if name == "ReduceLogSumExp":
        return  # the oracle takes the logarithm of integers' exponentials cut off one by one
    x = RNG.integers(1, 9, (3, 4)).astype(dtype)
    check(name, [x, ints(1)])


def test_integer_sums_wrap() -> None:
    """SHAPE-51"""
    inputs = [np.full(3, 2**31 - 1, np.int32), ints(0)]
    (result,) = ours(make("ReduceSum", inputs), inputs, 13, (1,))
    assert result.tolist() == [3 * (2**31 - 1) - 2**32]


def test_a_sum_has_the_fixed_order() -> None:
    inputs = [floats(3, 7, 50), ints(0, 2)]
    (result,) = ours(make("ReduceSum", inputs), inputs, 13, (1,))
    expected = numerics.ordered_sum(inputs[0], (0, 2), True)
    assert result.tobytes() == expected.tobytes()


@pytest.mark.parametrize("options", [{}, {"exclusive": 1}, {"reverse": 1, "exclusive": 1}])
@pytest.mark.parametrize("axis", [0, -1])
def test_running_sums(options: dict[str, int], axis: int) -> None:
    """SHAPE-54"""
    check("CumSum", [floats(5, 300), np.array(axis)], options, opset=14, const=())
    wide = [RNG.integers(-9, 9, (4, 3)), np.array(axis, np.int32)]
    check("CumSum", wide, options, opset=14, const=())


def test_running_products() -> None:
    """SHAPE-54"""
    inputs = [np.array([2.0, 3.0, 4.0]), np.array(0)]
    for options, expected in (
        ({}, [2, 6, 24]),
        ({"exclusive": 1}, [1, 2, 6]),
        ({"reverse": 1}, [24, 12, 4]),
    ):
        assert ours(make("CumProd", inputs, options), inputs, 26)[0].tolist() == expected


EQUATIONS = [
    ("ij,jk->ik", [(3, 4), (4, 5)]),
    ("bij,bjk", [(2, 3, 4), (2, 4, 5)]),
    ("ii->i", [(4, 4)]),
    ("ii", [(4, 4)]),
    ("...ij->...ji", [(2, 3, 4)]),
    ("i,i->", [(5,), (5,)]),
    ("i , j -> i j", [(3,), (4,)]),
    ("bqhd,bkhd->bhqk", [(2, 3, 2, 4), (2, 5, 2, 4)]),
    ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)]),
    ("ij,kl->il", [(2, 3), (4, 5)]),
    ("iij,jk->ik", [(3, 3, 4), (4, 2)]),
    ("a,a,a->a", [(3,), (3,), (3,)]),
    ("ij->", [(3, 4)]),
    ("ba", [(2, 3)]),
    ("ij,ij->ij", [(2, 3), (1, 3)]),
    ("ab,bc,cd,da->", [(2, 3), (3, 4), (4, 5), (5, 2)]),
    ("bIJ,bJk->kbI", [(2, 3, 4), (2, 4, 2)]),
]


@pytest.mark.parametrize(("equation", "shapes"), EQUATIONS)
def test_einsum(equation: str, shapes: list[tuple[int, ...]]) -> None:
    """SHAPE-70, SHAPE-71"""
    inputs = [floats(*shape) for shape in shapes]
    check("Einsum", inputs, {"equation": equation}, opset=12, const=(), tolerance=1e-5)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("...i,...i->...", [(2, 3, 4), (3, 4)]),
        ("...,...->...", [(2, 3), (3,)]),
        ("...ij,...jk->...ik", [(2, 1, 3, 4), (5, 4, 2)]),
        ("i...,...->...i", [(2, 1, 3), (4, 3)]),
    ],
)
def test_an_ellipsis_broadcasts(equation: str, shapes: list[tuple[int, ...]]) -> None:
    """SHAPE-70"""
    inputs = [floats(*shape) for shape in shapes]
    (result,) = ours(make("Einsum", inputs, {"equation": equation}), inputs, 12)
    expected = np.einsum(equation, *(x.astype(np.float64) for x in inputs))
    np.testing.assert_allclose(result, expected, rtol=1e-5)


def test_a_two_operand_einsum_is_one_matrix_product() -> None:
    """SHAPE-71"""
    inputs = [floats(7, 600), floats(600, 5)]
    proto = make("Einsum", inputs, {"equation": "ij,jk->ik"})
    (result,) = ours(proto, inputs, 12)
    assert result.tobytes() == numerics.matmul(*inputs).tobytes()
    _, work = infer(proto, inputs, 12)
    assert work.macs == 7 * 600 * 5


@pytest.mark.parametrize(
    "equation",
    [
        "",
        "ij",
        "ij,jk,kl",
        "i1,jk",
        "ij,jk->iz",
        "ij,jk->ii",
        "ij....,jk",
        "ij,...jk...->",
        "a" * 2000,
    ],
)
def test_a_broken_equation_is_refused(equation: str) -> None:
    """SHAPE-70"""
    inputs = [floats(2, 3), floats(3, 4)]
    with pytest.raises(Refuse):
        infer(make("Einsum", inputs, {"equation": equation}), inputs, 12)


@pytest.mark.parametrize("shape", [(3, 3), (2, 5, 5), (2, 3, 1, 1)])
def test_determinants(shape: tuple[int, ...]) -> None:
    """SHAPE-105"""
    x = RNG.normal(size=shape).astype(np.float32)
    inputs = [x]
    (result,) = ours(make("Det", inputs), inputs, 22)
    np.testing.assert_allclose(result, np.linalg.det(x.astype(np.float64)), rtol=1e-4)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ([[0.0, 1.0], [1.0, 0.0]], -1.0),
        ([[0.0, 5.0], [0.0, 7.0]], 0.0),
        ([[1.0, 2.0], [np.nan, 1.0]], np.nan),
        (np.zeros((0, 0)), 1.0),
    ],
)
def test_special_determinants(matrix: list[list[float]], expected: float) -> None:
    """SHAPE-105"""
    inputs = [np.array(matrix, np.float32)]
    (result,) = ours(make("Det", inputs), inputs, 22)
    np.testing.assert_array_equal(result, np.float32(expected))
