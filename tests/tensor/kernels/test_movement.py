"""Elements moved, selected and sorted by the kernels: SHAPE-3, SHAPE-20 to SHAPE-65."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from synnergy.tensor import BadInput, load
from synnergy.tensor.kernels.selection import builds
from tests.tensor.kernels.same import assert_same, model_of
from tests.tensor.kernels.test_elementwise import NUMBERS, values

Array = np.ndarray[Any, Any]

WIDTHS = ("bool", "float16", "float32", "int64")


def check(
    name: str,
    arrays: dict[str, Array | None],
    weights: dict[str, Array] | None = None,
    outputs: int = 1,
    opset: int = 21,
    **more: Any,
) -> None:
    """The inputs are the arrays, then the weights; None stands for one that is left out."""
    names = ["" if array is None else key for key, array in arrays.items()]
    results = [f"result{i}" for i in range(outputs)]
    node = helper.make_node(name, [*names, *(weights or {})], results, **more)
    given_arrays = {key: array for key, array in arrays.items() if array is not None}
    inputs = {key: (str(array.dtype), array.shape) for key, array in given_arrays.items()}
    assert_same(model_of([node], inputs, results, weights, opset=opset), given_arrays)


def integers(*items: int) -> Array:
    return np.array(items, np.int64)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_transpose(data: st.DataObject) -> None:
    shape = tuple(
        data.draw(st.lists(st.sampled_from([1, 2, 3, 8, 19, 33]), min_size=1, max_size=4))
    )
    order = data.draw(st.permutations(range(len(shape))))
    dtype = data.draw(st.sampled_from(WIDTHS))
    check("Transpose", {"x": values(dtype, shape, 1)}, perm=order)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_slice(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.sampled_from([1, 3, 8, 21]), min_size=1, max_size=4)))
    bound = st.integers(-30, 30)
    starts = integers(*(data.draw(bound) for _ in shape))
    ends = integers(*(data.draw(bound) for _ in shape))
    steps = integers(*(data.draw(st.sampled_from([1, 1, 2, -1, -3])) for _ in shape))
    weights = {
        "starts": starts,
        "ends": ends,
        "axes": integers(*range(len(shape))),
        "steps": steps,
    }
    check("Slice", {"x": values(data.draw(st.sampled_from(WIDTHS)), shape, 1)}, weights)


def test_parts_that_need_no_step() -> None:
    """A leading part of a tensor lies in it; at a cache line it's used where it is."""
    x = values("float32", (4, 16), 1)
    nodes = [
        helper.make_node("Slice", ["x", "one", "three"], ["part"]),
        helper.make_node("Split", ["x"], ["a", "b"], num_outputs=2),
        helper.make_node("Add", ["part", "a"], ["sum"]),
        helper.make_node("Mul", ["sum", "b"], ["y"]),
    ]
    weights = {"one": integers(1), "three": integers(3)}
    content = model_of(nodes, {"x": ("float32", x.shape)}, ["y", "b"], weights)
    assert_same(content, {"x": x})


@pytest.mark.parametrize("dtype", WIDTHS)
def test_joined_and_apart(dtype: str) -> None:
    for axis in (0, 1, -1):
        a, b = values(dtype, (3, 5, 7), 1), values(dtype, (3, 5, 7), 2)
        check("Concat", {"a": a, "b": b}, axis=axis)
        check(
            "Split", {"x": a}, {"parts": integers(*((1, 2), (2, 3), (3, 4))[axis])}, 2, axis=axis
        )
    check("Concat", {"a": values(dtype, (2, 0), 1), "b": values(dtype, (2, 3), 2)}, axis=1)
    check("Tile", {"x": values(dtype, (3, 1, 5), 1)}, {"repeats": integers(2, 4, 3)})
    check("Tile", {"x": values(dtype, (3, 5), 1)}, {"repeats": integers(0, 1)})
    check("Expand", {"x": values(dtype, (3, 1, 5), 1)}, {"shape": integers(2, 1, 4, 1)})
    check("Expand", {"x": values(dtype, (33,), 1)}, {"shape": integers(7, 33)})


@pytest.mark.parametrize("name", ["DepthToSpace", "SpaceToDepth"])
@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_blocks(name: str, mode: str) -> None:
    check(name, {"x": values("float32", (2, 8, 4, 6), 1)}, blocksize=2, mode=mode)


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
@pytest.mark.parametrize("dtype", WIDTHS)
def test_pad(mode: str, dtype: str) -> None:
    x = values(dtype, (3, 4, 9), 1)
    check("Pad", {"x": x}, {"pads": integers(1, 0, -2, 2, 3, 5)}, mode=mode)
    check("Pad", {"x": x}, {"pads": integers(0, 0, -2, 0, -1, 0)}, mode=mode)
    if mode == "constant":
        weights = {"pads": integers(0, 1, 0, 2), "fill": values(dtype, (), 4)}
        check("Pad", {"x": x}, weights | {"axes": integers(2, 0)}, mode=mode)
        check("Pad", {"x": values("float32", (3, 4), 1)}, opset=10, pads=[1, 0, 0, 2], value=0.3)


@pytest.mark.parametrize("dtype", WIDTHS)
@pytest.mark.parametrize("index", ["int32", "int64"])
def test_gather(dtype: str, index: str) -> None:
    generator = np.random.default_rng(1)
    data = values(dtype, (4, 7, 5), 1)
    for axis, size in enumerate(data.shape):
        places = generator.integers(-size, size, (2, 3)).astype(index)
        check("Gather", {"data": data, "places": places}, axis=axis)
        check("Gather", {"data": data}, {"places": places[0, 0].reshape(())}, axis=axis)
        shape = [3, 4, 5]
        shape[axis] = 9
        places = generator.integers(-size, size, shape).astype(index)
        check("GatherElements", {"data": data, "places": places}, axis=axis)
    for depth in (1, 2, 3):
        places = np.stack([generator.integers(-4, 4, (2, 3)) for _ in range(depth)], -1)
        check("GatherND", {"data": data, "places": places.astype(index)})
    places = generator.integers(-5, 5, (4, 7, 2, 1)).astype(index)
    check("GatherND", {"data": data, "places": places}, batch_dims=2)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "int64", "uint16"])
def test_scatter(dtype: str) -> None:
    generator = np.random.default_rng(1)
    data = values(dtype, (4, 7, 5), 1)
    for reduction in ("none", "add", "mul", "min", "max"):
        for axis, size in enumerate(data.shape):
            places = generator.integers(-size, size, (3, 6, 4))
            updates = values(dtype, places.shape, 2)
            arrays: dict[str, Array | None] = {"data": data, "places": places, "updates": updates}
            check("ScatterElements", arrays, axis=axis, reduction=reduction)
        for depth in (1, 2, 3):
            places = np.stack([generator.integers(-4, 4, (2, 3)) for _ in range(depth)], -1)
            updates = values(dtype, (2, 3, *data.shape[depth:]), 2)
            arrays = {"data": data, "places": places, "updates": updates}
            check("ScatterND", arrays, reduction=reduction)


@pytest.mark.parametrize(
    ("name", "shape", "bad"),
    [("Gather", (2, 3), 4), ("GatherElements", (4, 5), -5), ("GatherND", (3, 1), 9)],
)
def test_indices_outside(name: str, shape: tuple[int, ...], bad: int) -> None:
    places = np.zeros(shape, np.int64)
    places.reshape(-1)[-1] = bad
    arrays = {"data": values("float32", (4, 5), 1), "places": places}
    inputs = {key: (str(array.dtype), array.shape) for key, array in arrays.items()}
    plan = load(
        model_of([helper.make_node(name, list(arrays), ["y"])], inputs, ["y"]),
        shapes={key: array.shape for key, array in arrays.items()},
    )
    for kernel in ("reference", *builds()):
        with pytest.raises(BadInput):
            plan.run(arrays, kernel=kernel)
        plan.run(arrays | {"places": np.zeros(shape, np.int64)}, kernel=kernel)


@pytest.mark.parametrize("dtype", WIDTHS)
@pytest.mark.parametrize("upper", [0, 1])
def test_triangle(dtype: str, upper: int) -> None:
    for shape in ((2, 5, 7), (7, 5)):
        x = values(dtype, shape, 1)
        check("Trilu", {"x": x}, upper=upper)
        for diagonal in (-20, -3, 0, 2, 20):
            check("Trilu", {"x": x, "k": np.array(diagonal, np.int64)}, upper=upper)


@pytest.mark.parametrize("dtype", NUMBERS)
def test_one_hot(dtype: str) -> None:
    indices = values(dtype, (5, 9), 1)
    for axis in (0, 1, -1):
        weights = {"depth": np.array(6, np.int64), "pair": np.array([0.5, 2.5], np.float32)}
        check("OneHot", {"indices": indices}, weights, axis=axis)


def test_reverse_sequence() -> None:
    x, lengths = values("float32", (5, 3, 4), 1), integers(5, 0, 3)
    check("ReverseSequence", {"x": x, "lengths": lengths}, time_axis=0, batch_axis=1)
    x = values("float32", (3, 5, 4), 1)
    check("ReverseSequence", {"x": x, "lengths": lengths}, time_axis=1, batch_axis=0)


@pytest.mark.parametrize("dtype", NUMBERS)
def test_places_of_extremes(dtype: str) -> None:
    x = values(dtype, (4, 9, 5), 1)
    for name in ("ArgMax", "ArgMin"):
        for axis in (0, 1, 2):
            check(name, {"x": x}, axis=axis, select_last_index=axis % 2, keepdims=axis // 2)


@pytest.mark.parametrize("dtype", NUMBERS)
def test_top(dtype: str) -> None:
    for axis, count, largest in ((0, 3, 1), (1, 77, 0), (1, 90, 1), (2, 1, 0), (1, 0, 1)):
        x = values(dtype, (4, 90, 5), axis)
        weights = {"count": integers(count)}
        check("TopK", {"x": x}, weights, 2, axis=axis, largest=largest)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "int64"])
def test_running_totals(dtype: str) -> None:
    x = values(dtype, (4, 9, 5), 1)
    for axis in (0, 1, 2):
        weights = {"axis": np.array(axis, np.int64)}
        for flags in ({}, {"exclusive": 1}, {"reverse": 1}, {"exclusive": 1, "reverse": 1}):
            check("CumSum", {"x": x}, weights, **flags)
            check("CumProd", {"x": x}, weights, opset=26, **flags)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_resize(dtype: str, mode: str) -> None:
    x = values(dtype, (1, 2, 5, 7), 1)
    empty: dict[str, Array] = {"roi": np.zeros(0, np.float32)}
    scales = np.array([1, 1, 2, 1.7], np.float32)
    for transformation in ("half_pixel", "align_corners", "asymmetric"):
        more = {"mode": mode, "coordinate_transformation_mode": transformation}
        check("Resize", {"x": x}, empty | {"scales": scales}, opset=19, **more)
    roi = np.array([0, 0, 0.2, -0.3, 1, 1, 0.8, 1.4], np.float32)
    more = {"mode": mode, "coordinate_transformation_mode": "tf_crop_and_resize"}
    check("Resize", {"x": x}, {"roi": roi, "scales": scales}, extrapolation_value=7.5, **more)
