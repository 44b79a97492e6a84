"""Slices, gathers, scatters and choices by value against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from synnergy.tensor.types import Array, BadInput

from .oracle import check, make, ours, strings

RNG = np.random.default_rng(11)
EXAMPLES = settings(max_examples=30, deadline=None)
BOUNDS = st.one_of(st.integers(-9, 9), st.sampled_from([2**63 - 1, -(2**63), 2**31 - 1, -(2**31)]))
NAN = np.array(
    [[1, np.nan, 3, np.nan], [-np.inf, np.inf, 0, -0.0], [2, 2, 1, 1], [-0.0, 0, 0, -0.0]],
    np.float32,
)


def floats(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


@EXAMPLES
@given(BOUNDS, BOUNDS, st.integers(-3, 3).filter(bool), st.integers(0, 5))
@example(-100, -200, -1, 5)
@example(2**63 - 1, -(2**63), -3, 5)
def test_slice(start: int, end: int, step: int, size: int) -> None:
    """SHAPE-30"""
    if step < 0 and end in (2**31 - 1, 2**63 - 1):
        return  # the oracle takes these for "to the beginning"; ONNX says so of the smallest ints
    inputs = [floats(2, size), ints(start), ints(end), ints(-1), ints(step)]
    check("Slice", inputs)


def test_slice_by_attributes_and_without_axes() -> None:
    check("Slice", [floats(4, 5)], {"starts": [1, -3], "ends": [9, -1]}, opset=9)
    check("Slice", [floats(4, 5)], {"starts": [1], "ends": [9], "axes": [1]}, opset=9)
    check("Slice", [floats(4, 5), ints(1), ints(3)])
    check("Slice", [strings(np.array(["a", "b", "c"])), ints(2), ints(-9), ints(0), ints(-1)])


@pytest.mark.parametrize("index", ["int32", "int64"])
@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_gather(axis: int, index: str) -> None:
    """SHAPE-31"""
    indices = np.array([[0, -1], [1, -2]], index)
    check("Gather", [floats(2, 3, 4), indices], {"axis": axis}, const=())
    check("Gather", [floats(2, 3, 4), np.array(-1, index)], {"axis": axis}, const=())


@pytest.mark.parametrize(
    ("operator", "indices"),
    [("Gather", [[2]]), ("GatherElements", [[-3, 0]]), ("GatherND", [[0, 3]])],
)
def test_an_index_outside_is_bad_input(operator: str, indices: list[list[int]]) -> None:
    """SHAPE-31"""
    inputs = [floats(2, 2), np.array(indices, np.int64)]
    with pytest.raises(BadInput, match="outside an axis of 2 elements"):
        ours(make(operator, inputs), inputs, 13)


def test_gather_elements_and_points() -> None:
    """SHAPE-32, SHAPE-33"""
    check("GatherElements", [floats(3, 4), ints(-1, 0, 1, -3).reshape(2, 2)], const=())
    check("GatherElements", [floats(3, 4), ints(3, 0).reshape(1, 2)], {"axis": 1}, const=())
    check("GatherND", [floats(2, 3, 4), ints(0, -1, 1, 2).reshape(2, 2)], const=())
    points = ints(0, -1, 2, 1).reshape(2, 2, 1)
    check("GatherND", [floats(2, 3, 4), points], {"batch_dims": 1}, const=())


@pytest.mark.parametrize("reduction", ["none", "add", "mul", "min", "max"])
def test_scatter_in_order_of_indices(reduction: str) -> None:
    """SHAPE-34"""
    indices = ints(0, 0, 1, 2, 0, 0, -2, 2).reshape(2, 4)
    check("ScatterElements", [floats(3, 4), indices, floats(2, 4)], {"reduction": reduction})
    check(
        "ScatterND",
        [floats(3, 4), ints(0, 2).reshape(2, 1), floats(2, 4)],
        {"reduction": reduction},
    )


def test_the_later_update_wins() -> None:
    """SHAPE-34"""
    indices, updates = ints(1, 1, 1).reshape(1, 3), ints(7, 8, 9).reshape(1, 3)
    inputs = [ints(0, 0, 0).reshape(1, 3), indices, updates]
    (result,) = ours(make("ScatterElements", inputs, {"axis": 1}), inputs, 18)
    assert result.tolist() == [[0, 9, 0]]
    check("Scatter", [floats(1, 3), ints(0, 2).reshape(1, 2), floats(1, 2)], {"axis": 1}, opset=9)


def test_scattered_extremes_order_zeros_and_keep_nan() -> None:
    """SHAPE-35"""
    data = np.array([0.0, -0.0, np.nan, 1.0], np.float32)
    updates = np.array([-0.0, 0.0, 5.0, np.nan], np.float32)
    inputs = [data, ints(0, 1, 2, 3), updates]
    (low,) = ours(make("ScatterElements", inputs, {"reduction": "min"}), inputs, 18)
    (high,) = ours(make("ScatterElements", inputs, {"reduction": "max"}), inputs, 18)
    assert np.signbit(low[:2]).tolist() == [True, True]
    assert np.signbit(high[:2]).tolist() == [False, False]
    assert np.isnan(low[2:]).all() and np.isnan(high[2:]).all()


@pytest.mark.parametrize(("time", "batch"), [(0, 1), (1, 0)])
def test_reverse_sequence(time: int, batch: int) -> None:
    options = {"time_axis": time, "batch_axis": batch}
    check("ReverseSequence", [floats(4, 4, 2), ints(0, 4, 1, 3)], options, const=())


@EXAMPLES
@given(st.lists(st.integers(-2, 2), min_size=1, max_size=9), st.booleans(), st.data())
def test_top_k_breaks_ties_by_index(values: list[int], largest: bool, data: st.DataObject) -> None:
    """SHAPE-61"""
    count = data.draw(st.integers(1, len(values)))
    inputs = [np.array(values, np.float32), ints(count)]
    check("TopK", inputs, {"largest": int(largest)}, outputs=2)


def test_top_k_puts_nan_above_everything() -> None:
    """SHAPE-4, SHAPE-61"""
    inputs = [NAN[0], ints(4)]
    for largest, order in ((1, [1, 3, 2, 0]), (0, [0, 2, 1, 3])):
        proto = make("TopK", inputs, {"largest": largest}, 2)
        assert ours(proto, inputs, 18, (1,))[1].tolist() == order
    check("TopK", [floats(3, 4)], {"k": 2, "axis": 0}, opset=9, outputs=2)


@pytest.mark.parametrize("operator", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("keep", [0, 1])
def test_places_of_extremes(operator: str, last: int, keep: int) -> None:
    """SHAPE-60"""
    options = {"axis": -1, "select_last_index": last, "keepdims": keep}
    check(operator, [NAN[1:]], options)
    (place,) = ours(make(operator, [NAN[:1]], options), [NAN[:1]], 18)
    assert place.reshape(-1).tolist() == [3 if last else 1]


@pytest.mark.parametrize("options", [{}, {"sorted": 0}, {"axis": 1}, {"axis": 0, "sorted": 0}])
def test_unique(options: dict[str, Any]) -> None:
    """SHAPE-64"""
    values = np.array([[1, 2, 1, 0], [3, 0, 3, 0]], np.float32)
    check("Unique", [values], options, outputs=4, const=(0,))
    if "axis" not in options:
        check("Unique", [strings(np.array(["b", "a", "é", "b"]))], options, outputs=4, const=(0,))


def test_nan_and_zeros_are_one_value_each() -> None:
    """SHAPE-4, SHAPE-64"""
    inputs = [NAN]
    values, _, _, counts = ours(make("Unique", inputs, {}, 4), inputs, 18, (0,))
    assert [str(value) for value in values] == ["-inf", "0.0", "1.0", "2.0", "3.0", "inf", "nan"]
    assert counts.tolist() == [1, 6, 3, 2, 1, 1, 2]


def test_nonzero_and_compress() -> None:
    """SHAPE-63"""
    check("NonZero", [NAN], const=(0,))
    mask = np.array([True, False, True])
    check("Compress", [NAN, mask], {"axis": 0})
    check("Compress", [NAN, mask])


@pytest.mark.parametrize("offset", [-(2**62), -1, 0, 2, 2**62])
@pytest.mark.parametrize("upper", [0, 1])
def test_triangles(offset: int, upper: int) -> None:
    check("Trilu", [NAN, np.array(offset)], {"upper": upper}, opset=14, const=())
