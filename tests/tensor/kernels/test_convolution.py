"""Convolutions by the kernels: TENSOR-10, TENSOR-17, TENSOR-19."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from bench import nets
from synnergy.tensor import load
from tests.tensor.kernels.same import assert_same, hostile_floats, model_of

# channels, spatial sizes, filters, kernel, attributes
CASES: dict[str, tuple[int, tuple[int, ...], int, tuple[int, ...], dict[str, Any]]] = {
    "one axis": (3, (29,), 5, (4,), {"pads": [2, 1], "strides": [3]}),
    "padded square": (16, (7, 7), 33, (3, 3), {"pads": [1, 1, 1, 1]}),
    "few filters": (1, (28, 28), 6, (5, 5), {"pads": [2, 2, 2, 2]}),
    "many terms": (61, (9, 11), 17, (3, 3), {"pads": [1, 0, 0, 2]}),
    "strided": (5, (17, 23), 9, (3, 2), {"strides": [2, 2], "pads": [1, 2, 0, 1]}),
    "strided by lanes": (40, (13, 15), 64, (3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    "far strides": (5, (17, 23), 9, (3, 2), {"strides": [3, 5], "dilations": [2, 3]}),
    "all padding": (2, (3, 3), 3, (2, 2), {"pads": [5, 5, 5, 5], "strides": [2, 1]}),
    "one by one": (70, (6, 8), 20, (1, 1), {}),
    "one by one, lanes": (200, (6, 8), 96, (1, 1), {}),
    "one by one, strided": (20, (7, 9), 48, (1, 1), {"strides": [2, 2]}),
    "groups": (12, (6, 5), 8, (3, 3), {"group": 4, "pads": [1, 1, 1, 1]}),
    "groups by lanes": (64, (6, 5), 64, (3, 3), {"group": 2, "pads": [1, 1, 1, 1]}),
    "same": (4, (10, 11), 3, (4, 4), {"auto_pad": "SAME_UPPER", "strides": [2, 3]}),
    "bands": (2, (90, 70), 16, (3, 3), {"auto_pad": "SAME_LOWER"}),
    "three axes": (3, (5, 6, 7), 4, (3, 2, 3), {"pads": [1, 0, 1, 1, 1, 1], "strides": [1, 2, 1]}),
    "three axes by lanes": (
        16,
        (5, 6, 7),
        32,
        (3, 2, 3),
        {"pads": [1] * 6, "dilations": [2, 1, 1]},
    ),
    "three axes, bare": (16, (5, 6, 7), 32, (2, 2, 2), {"strides": [2, 1, 2]}),
    "depthwise": (10, (12, 9), 10, (3, 3), {"group": 10, "pads": [1, 1, 1, 1]}),
    "depthwise, strided": (
        6,
        (35, 40),
        6,
        (5, 3),
        {"group": 6, "strides": [2, 2], "pads": [2, 1, 2, 1]},
    ),
    "two filters a channel": (6, (9, 9), 12, (3, 3), {"group": 6, "dilations": [2, 2]}),
}


def conv(case: str, batch: int, bias: bool = True, constant: bool = True) -> tuple[bytes, Any]:
    channels, size, filters, kernel, attributes = CASES[case]
    groups = attributes.get("group", 1)
    weights = hostile_floats((filters, channels // groups, *kernel), seed=1)
    weights = np.where(np.isfinite(weights) & (np.abs(weights) < 1e30), weights, np.float32(0.5))
    names = ["x", "w", "b"][: 3 if bias else 2]
    given = {"w": weights, "b": hostile_floats((filters,), seed=2)}
    nodes = [helper.make_node("Conv", names, ["y"], **attributes)]
    shape = (batch, channels, *size)
    inputs = {"x": ("float32", shape)}
    if not constant:
        inputs |= {"w": ("float32", weights.shape)}
        return model_of(nodes, inputs, ["y"], {"b": given["b"]} if bias else {}), (shape, weights)
    known = {name: given[name] for name in names[1:]}
    return model_of(nodes, inputs, ["y"], known), (shape, weights)


@pytest.mark.parametrize("case", CASES)
def test_conv(case: str) -> None:
    content, (shape, _) = conv(case, 2)
    ordinary = np.random.default_rng(3).standard_normal(shape).astype(np.float32)
    assert_same(content, {"x": ordinary})
    assert_same(content, {"x": hostile_floats(shape, seed=4)})


@pytest.mark.parametrize("case", ["padded square", "few filters", "groups", "depthwise"])
@pytest.mark.parametrize("batch", [1, 13])
def test_computed_weights(case: str, batch: int) -> None:
    content, (shape, weights) = conv(case, batch, bias=False, constant=False)
    assert_same(content, {"x": hostile_floats(shape, seed=5), "w": weights})


@pytest.mark.parametrize("dtype", ["float64", "float16"])
@pytest.mark.parametrize("case", ["one axis", "many terms", "groups", "three axes", "far strides"])
def test_other_types(case: str, dtype: str) -> None:
    channels, size, filters, kernel, attributes = CASES[case]
    weights = hostile_floats((filters, channels // attributes.get("group", 1), *kernel), dtype, 1)
    given = {"w": np.nan_to_num(weights, posinf=1), "b": hostile_floats((filters,), dtype, 2)}
    shape = (2, channels, *size)
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["y"], **attributes)]
    content = model_of(nodes, {"x": (dtype, shape)}, ["y"], given)
    assert_same(content, {"x": hostile_floats(shape, dtype, seed=3)})


# channels, spatial sizes, filters of a group, kernel, attributes
TRANSPOSED: dict[str, tuple[int, tuple[int, ...], int, tuple[int, ...], dict[str, Any]]] = {
    "doubled": (8, (5, 7), 5, (2, 2), {"strides": [2, 2]}),
    "cropped": (3, (9, 40), 4, (3, 3), {"strides": [1, 2], "pads": [1, 0, 2, 1]}),
    "many channels": (530, (3, 4), 2, (3, 3), {"pads": [1, 1, 1, 1]}),
    "groups": (6, (4, 4), 2, (3, 2), {"group": 3, "strides": [3, 2], "output_padding": [1, 0]}),
    "dilated": (2, (6, 5), 3, (2, 3), {"dilations": [2, 3], "strides": [2, 1]}),
    "sized": (2, (6, 5), 3, (3, 3), {"output_shape": [13, 12], "strides": [2, 2]}),
    "one axis": (4, (70,), 3, (5,), {"strides": [3], "auto_pad": "SAME_UPPER"}),
    "three axes": (2, (3, 4, 3), 2, (2, 3, 2), {"strides": [2, 1, 3], "pads": [1, 0, 0, 0, 1, 1]}),
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("case", TRANSPOSED)
def test_transposed(case: str, dtype: str) -> None:
    channels, size, filters, kernel, attributes = TRANSPOSED[case]
    weights = hostile_floats((channels, filters, *kernel), dtype, 1)
    count = filters * attributes.get("group", 1)
    given = {"w": np.nan_to_num(weights, posinf=1), "b": hostile_floats((count,), dtype, 2)}
    shape = (2, channels, *size)
    nodes = [helper.make_node("ConvTranspose", ["x", "w", "b"], ["y"], **attributes)]
    content = model_of(nodes, {"x": (dtype, shape)}, ["y"], given)
    assert_same(content, {"x": hostile_floats(shape, dtype, seed=3)})
    ordinary = np.random.default_rng(4).standard_normal(shape).astype(dtype)
    assert_same(content, {"x": ordinary})


@pytest.mark.parametrize("case", ["padded square", "few filters", "depthwise", "many terms"])
def test_followers(case: str) -> None:
    """Normalisation, a residual, bounds and a scale are done to each sum, in turn."""
    content, (shape, _) = conv(case, 3)
    model = onnx.load_from_string(content)
    filters = CASES[case][2]
    names = [f"p{at}" for at in range(4)]
    parameters = [hostile_floats((filters,), seed=at) for at in range(4)]
    parameters[3] = np.abs(np.nan_to_num(parameters[3]))
    for name, array in (
        *zip(names, parameters, strict=True),
        ("low", np.float32(-0.5)),
        ("high", np.float32(1.5)),
        ("scale", np.float32(-0.7)),
    ):
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
    for operator, inputs, result in (
        ("BatchNormalization", ["y", *names], "n"),
        ("Relu", ["n"], "r"),
        ("Add", ["s", "r"], "a"),
        ("Clip", ["a", "low", "high"], "c"),
        ("Mul", ["c", "scale"], "m"),
    ):
        model.graph.node.append(helper.make_node(operator, inputs, [result]))
    del model.graph.output[:]
    model.graph.output.append(onnx.ValueInfoProto(name="m"))
    spatial = run_shape(content, shape)
    model.graph.input.append(
        helper.make_tensor_value_info("s", onnx.TensorProto.FLOAT, list(spatial))
    )
    arrays = {"x": hostile_floats(shape, seed=6), "s": hostile_floats(spatial, seed=7)}
    assert_same(model.SerializeToString(), arrays)


def run_shape(content: bytes, shape: tuple[int, ...]) -> tuple[int, ...]:
    return load(content).run({"x": np.zeros(shape, np.float32)}, kernel="reference")["y"].shape


def test_residual_net() -> None:
    """The joins of a residual net, with every usual chain of followers."""
    x = np.random.default_rng(8).standard_normal((2, 3, 40, 40)).astype(np.float32)
    assert_same(nets.resnet(40), {"x": x}, threads=(3,))


def test_inverted_residual_net() -> None:
    x = np.random.default_rng(9).standard_normal((1, 3, 40, 40)).astype(np.float32)
    assert_same(nets.mobilenet(40), {"x": x}, threads=(3,))


@pytest.mark.parametrize("filters", [4, 16, 40])
@pytest.mark.parametrize(
    "shape", [(9,), (5, 9), (3, 1, 1), (2, 3, 1, 1), (1, 3, 5, 9), (2, 1, 5, 9)]
)
def test_sums_with_an_operand_that_repeats_for_filters(
    filters: int, shape: tuple[int, ...]
) -> None:
    """Along pixels, images or both, and not along filters."""
    if len(shape) > 2 and shape[-3] == 3:
        shape = (*shape[:-3], filters, *shape[-2:])
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["y"], kernel_shape=[1, 1]),
        helper.make_node("Add", ["y", "r"], ["z"]),
        helper.make_node("Relu", ["z"], ["out"]),
    ]
    x = hostile_floats((2, 3, 5, 9), seed=1)
    weights = {
        "w": hostile_floats((filters, 3, 1, 1), seed=2),
        "b": hostile_floats((filters,), seed=3),
        "r": hostile_floats(shape, seed=4),
    }
    assert_same(model_of(nodes, {"x": ("float32", x.shape)}, ["out"], weights), {"x": x})
