"""Products and convolutions of 8-bit integers, and quantisation, by every build. SHAPE-100"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from tests.tensor.kernels.same import Array, assert_same, hostile_floats, model_of

BYTES = ("int8", "uint8")


def integers(shape: Any, dtype: str, seed: int = 0) -> Array:
    """All values of a type, its ends more often."""
    generator = np.random.default_rng(seed)
    info = np.iinfo(dtype)
    values = generator.integers(info.min, info.max + 1, shape)
    ends = generator.choice(np.array([info.min, info.max]), shape)
    return np.where(generator.random(shape) < 0.3, ends, values).astype(dtype)


def scales(count: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).uniform(1e-3, 0.2, count).astype(np.float32)


def check_product(
    a: Array, b: Array, a_zero: Array | None, b_zero: Array | None, constant: bool
) -> None:
    names = ["a", "b", "" if a_zero is None else "za", "" if b_zero is None else "zb"]
    node = helper.make_node("MatMulInteger", names, ["y"])
    weights = {name: z for name, z in (("za", a_zero), ("zb", b_zero)) if z is not None}
    arrays, inputs = {"a": a, "b": b}, {"a": (str(a.dtype), a.shape), "b": (str(b.dtype), b.shape)}
    if constant:
        weights["b"] = b
        del arrays["b"], inputs["b"]
    else:  # zero points are computed, too
        for name in list(weights):
            arrays[name] = weights.pop(name)
            inputs[name] = (str(arrays[name].dtype), arrays[name].shape)
    assert_same(model_of([node], inputs, ["y"], weights), arrays)


@pytest.mark.parametrize("a_type", BYTES)
@pytest.mark.parametrize("b_type", BYTES)
@pytest.mark.parametrize("constant", [True, False])
def test_products(a_type: str, b_type: str, constant: bool) -> None:
    for seed, (m, k, n) in enumerate(((1, 1, 1), (3, 7, 5), (66, 130, 101), (1, 785, 49))):
        a, b = integers((m, k), a_type, seed), integers((k, n), b_type, seed + 1)
        check_product(a, b, integers((1,), a_type, seed), integers((), b_type), constant)
        check_product(a, b, None, None, constant)
        if m > 1:
            check_product(a, b, integers((m,), a_type, 5), integers((n,), b_type, 6), constant)


@pytest.mark.parametrize(
    "a, b",
    [
        ((2, 3, 4, 5), (5, 6)),
        ((2, 3, 4, 5), (2, 3, 5, 6)),
        ((3, 4, 5), (2, 1, 5, 6)),
        ((4, 5), (1, 5, 6)),
        ((2, 1, 4, 5), (3, 5, 6)),
        ((5,), (5, 6)),
        ((4, 5), (5,)),
        ((5,), (5,)),
        ((2, 0, 5), (5, 6)),
        ((2, 4, 0), (0, 6)),
    ],
)
def test_batches(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    for constant in (True, False):
        zero = integers(a[-2] if len(a) > 1 and a[-2] else 1, "uint8", 3)
        check_product(integers(a, "uint8"), integers(b, "int8"), zero, None, constant)


def test_sums_wrap_around() -> None:
    a, b = np.full((2, 140_000), 255, np.uint8), np.full((140_000, 3), -128, np.int8)
    check_product(a, b, None, np.array([127], np.int8), True)


def test_what_follows_a_product_is_done_on_the_way() -> None:
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
        helper.make_node("Mul", ["s", "ws"], ["scale"]),
        helper.make_node("MatMulInteger", ["q", "w", "z", "wz"], ["sum"]),
        helper.make_node("Cast", ["sum"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["real", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "bias"], ["biased"]),
        helper.make_node("Relu", ["biased"], ["y"]),
    ]
    weights = {
        "w": integers((37, 50), "int8"),
        "wz": np.zeros(50, np.int8),
        "ws": scales(50),
        "bias": hostile_floats((50,)),
    }
    for seed, x in enumerate(((5, 37), (2, 9, 37), (300, 37))):
        content = model_of(nodes, {"x": ("float32", x)}, ["y"], weights)
        values = np.random.default_rng(seed).standard_normal(x).astype(np.float32)
        assert_same(content, {"x": values})


@pytest.mark.parametrize("y_type", BYTES)
@pytest.mark.parametrize("spread", [False, True])
def test_linear_products(y_type: str, spread: bool) -> None:
    m, k, n = 19, 45, 67
    rows, columns = (m, n) if spread else (1, 1)
    values = {
        "a": integers((m, k), "uint8"),
        "as": scales(rows),
        "az": integers((rows,), "uint8", 1),
        "b": integers((k, n), "int8"),
        "bs": scales(columns, 1),
        "bz": integers((columns,), "int8", 2),
        "ys": scales(rows, 2) * 50,
        "yz": integers((rows,), y_type, 3),
    }
    node = helper.make_node("QLinearMatMul", list(values), ["y"])
    for given_names in (("a",), tuple(values)):
        given_arrays = {name: values[name] for name in given_names}
        inputs = {name: (str(v.dtype), v.shape) for name, v in given_arrays.items()}
        weights = {name: v for name, v in values.items() if name not in given_names}
        assert_same(model_of([node], inputs, ["y"], weights), given_arrays)
        halved = {**weights, "ys": values["ys"] * np.float32(np.inf)}
        if len(given_names) == 1:
            assert_same(model_of([node], inputs, ["y"], halved), given_arrays)


CONVOLUTIONS: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 11, 13), (20, 3, 3, 3), {"pads": [1, 1, 1, 1]}),
    ((1, 16, 9, 9), (40, 16, 1, 1), {}),
    ((1, 17, 9, 9), (33, 17, 1, 1), {"strides": [2, 2]}),
    ((1, 1, 28, 28), (6, 1, 5, 5), {"pads": [2, 2, 2, 2]}),
    ((2, 6, 14, 70), (6, 1, 3, 3), {"group": 6, "pads": [1, 1, 1, 1]}),
    ((1, 6, 14, 15), (12, 1, 3, 3), {"group": 6, "strides": [2, 2], "pads": [1, 0, 2, 1]}),
    ((1, 8, 12, 12), (40, 4, 3, 3), {"group": 2, "dilations": [2, 2], "pads": [2, 2, 2, 2]}),
    ((2, 5, 30), (7, 5, 4), {"strides": [3], "auto_pad": "SAME_LOWER"}),
    ((1, 2, 5, 6, 7), (9, 2, 2, 3, 2), {"pads": [1, 0, 1, 0, 1, 0], "dilations": [1, 2, 3]}),
    ((1, 2, 5, 6, 7), (3, 2, 2, 3, 2), {"pads": [1, 0, 1, 0, 1, 0], "strides": [2, 1, 3]}),
    ((1, 3, 4, 4), (2, 3, 7, 7), {"pads": [6, 6, 6, 6]}),
]


@pytest.mark.parametrize("x, w, attributes", CONVOLUTIONS)
@pytest.mark.parametrize("x_type, w_type", [("uint8", "int8"), ("int8", "uint8")])
def test_convolutions(
    x: tuple[int, ...], w: tuple[int, ...], attributes: dict[str, Any], x_type: str, w_type: str
) -> None:
    weights = {
        "w": integers(w, w_type),
        "xz": integers((), x_type, 1),
        "wz": integers(w[:1], w_type, 2),
    }
    node = helper.make_node("ConvInteger", ["x", "w", "xz", "wz"], ["y"], **attributes)
    arrays = {"x": integers(x, x_type, 3)}
    assert_same(model_of([node], {"x": (x_type, x)}, ["y"], weights), arrays)
    middle = np.full(w[:1], 128 if w_type == "uint8" else 0, w_type)
    bare = {**weights, "wz": middle}
    assert_same(model_of([node], {"x": (x_type, x)}, ["y"], bare), arrays)
    following = [
        helper.make_node("ConvInteger", ["x", "w", "xz", "wz"], ["sum"], **attributes),
        helper.make_node("Cast", ["sum"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["real", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "bias"], ["y"]),
    ]
    column = (1, w[0], *(1 for _ in w[2:]))
    weights |= {"scale": scales(1), "bias": hostile_floats(column)}
    assert_same(model_of(following, {"x": (x_type, x)}, ["y"], weights), arrays)
    spread = {
        "xs": scales(1)[0],
        "xz": weights["xz"],
        "w": weights["w"],
        "ws": scales(w[0], 1),
        "wz": weights["wz"],
        "ys": scales(1, 2)[0] * 20,
        "yz": integers((), x_type, 4),
        "b": np.random.default_rng(0).integers(-9999, 9999, w[0]).astype(np.int32),
    }
    names = [["x", *spread], ["x", *list(spread)[:-1]]]
    for inputs in names:
        spread["wz"] = middle if len(inputs) == 9 else weights["wz"]
        linear = helper.make_node("QLinearConv", inputs, ["y"], **attributes)
        kept = {name: value for name, value in spread.items() if name in inputs}
        assert_same(model_of([linear], {"x": (x_type, x)}, ["y"], kept), arrays)


def test_convolutions_by_computed_weights() -> None:
    values = {
        "x": integers((1, 3, 8, 8), "uint8"),
        "w": integers((21, 3, 3, 3), "uint8", 1),
        "xz": integers((1,), "uint8", 2),
    }
    inputs = {name: (str(v.dtype), v.shape) for name, v in values.items()}
    node = helper.make_node("ConvInteger", list(values), ["y"], pads=[1, 1, 1, 1])
    assert_same(model_of([node], inputs, ["y"]), values)


LAYOUTS: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, int]]] = [
    ((3, 50), (), {}),
    ((3, 50), (1,), {}),
    ((3, 50, 7), (50,), {}),
    ((3, 50, 7), (7,), {"axis": -1}),
    ((3, 50, 7), (3,), {"axis": 0}),
    ((3, 50, 7), (3, 4, 7), {"axis": 1, "block_size": 16}),
    ((3, 50), (3, 25), {"axis": 1, "block_size": 2}),
    ((0, 4), (4,), {"axis": 1}),
]


@pytest.mark.parametrize("shape, scale, attributes", LAYOUTS)
@pytest.mark.parametrize("real", ["float32", "float16", "int32"])
def test_quantisation(
    shape: tuple[int, ...], scale: tuple[int, ...], attributes: dict[str, int], real: str
) -> None:
    x = integers(shape, real) if real == "int32" else hostile_floats(shape, real)
    kind = "float32" if real == "int32" else real
    weights = {"s": np.random.default_rng(1).uniform(0.01, 2.0, scale).astype(kind)}
    for dtype in ("uint8", "int8", "uint16", "int16"):
        node = helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"], **attributes)
        given_weights = {**weights, "z": integers(scale, dtype, 2)}
        arrays = {"x": x.astype(real)}
        assert_same(model_of([node], {"x": (real, shape)}, ["y"], given_weights), arrays)
    node = helper.make_node("QuantizeLinear", ["x", "s"], ["y"], **attributes)
    assert_same(model_of([node], {"x": (real, shape)}, ["y"], weights), {"x": x.astype(real)})


@pytest.mark.parametrize("shape, scale, attributes", LAYOUTS)
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "int32"])
def test_dequantisation(
    shape: tuple[int, ...], scale: tuple[int, ...], attributes: dict[str, int], dtype: str
) -> None:
    for kind in ("float32", "float16"):
        weights = {"s": hostile_floats(scale, kind), "z": integers(scale, dtype, 1)}
        for names in (["x", "s", "z"], ["x", "s"]):
            node = helper.make_node("DequantizeLinear", names, ["y"], **attributes)
            kept = {name: weights[name] for name in names[1:]}
            content = model_of([node], {"x": (dtype, shape)}, ["y"], kept)
            assert_same(content, {"x": integers(shape, dtype)})


@pytest.mark.parametrize(
    "x",
    [
        np.random.default_rng(0).standard_normal((40, 999)).astype(np.float32),
        np.zeros((3,), np.float32),
        np.full((5, 5), -0.0, np.float32),
        np.array([1.0, 2.0, np.nan], np.float32),
        np.array([1.0, np.inf, -3.0], np.float32),
        np.array([-np.inf, np.inf], np.float32),
        np.array([3e38, -3e38, 1.0], np.float32),
        np.array([1e-45, 1e-44], np.float32),
        np.array(-7.25, np.float32),
        np.zeros((0, 3), np.float32),
    ],
)
def test_dynamic_quantisation(x: Array) -> None:
    node = helper.make_node("DynamicQuantizeLinear", ["x"], ["y", "s", "z"])
    assert_same(model_of([node], {"x": ("float32", x.shape)}, ["y", "s", "z"]), {"x": x})


@pytest.mark.parametrize("dtype", BYTES)
def test_chains_on_bytes_become_tables(dtype: str) -> None:
    weights = {
        "s": np.array([0.07], np.float32),
        "z": np.array([3], dtype),
        "nan": np.array(np.nan, np.float32),
        "factor": np.array([[1.7]], np.float32),
        "high": np.array(4.5, np.float32),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "s", "z"], ["real"]),
        helper.make_node("Relu", ["real"], ["relu"]),
        helper.make_node("Div", ["factor", "relu"], ["part"]),
        helper.make_node("Clip", ["part", "", "high"], ["bound"]),
        helper.make_node("QuantizeLinear", ["bound", "s", "z"], ["y"]),
    ]
    arrays = {"x": integers((9, 41), dtype)}
    inputs = {"x": (dtype, (9, 41))}
    for last in ("relu", "part", "bound", "y"):  # the last one is an output, and ends the chain
        assert_same(
            model_of(nodes, inputs, [last, "y"] if last != "y" else ["y"], weights), arrays
        )
    odd = [nodes[0], helper.make_node("Mul", ["real", "nan"], ["y"])]
    assert_same(model_of(odd, inputs, ["y"], weights), arrays)
    twice = [nodes[0], helper.make_node("Mul", ["real", "real"], ["y"])]
    assert_same(model_of(twice, inputs, ["y"], weights), arrays)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 20),
    st.integers(1, 300),
    st.integers(1, 100),
    st.sampled_from(BYTES),
    st.sampled_from(BYTES),
    st.integers(0, 1000),
)
def test_any_shape(m: int, k: int, n: int, a_type: str, b_type: str, seed: int) -> None:
    a, b = integers((m, k), a_type, seed), integers((k, n), b_type, seed + 1)
    check_product(a, b, integers((1,), a_type, seed), integers((1,), b_type, seed), bool(seed % 2))
