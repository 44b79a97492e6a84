"""Softmax, norms and normalisations by the kernels: TENSOR-19, TENSOR-22."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from tests.tensor.kernels.same import Array, assert_same, hostile_floats, model_of

FLOATS = ("float16", "float32", "float64")


def _inputs(shape: tuple[int, ...], dtype: str) -> list[Array]:
    """Ordinary numbers, ones of a wide range, hostile ones, and rows that are all alike."""
    plain = np.random.default_rng(len(shape)).standard_normal(shape)
    alike = np.zeros(shape) - 0.0
    alike[..., ::2] = np.where(plain[..., ::2] > 0, 0.0, -0.0)
    few = hostile_floats(shape, dtype, 7)
    few = np.where(np.random.default_rng(1).random(shape) < 0.97, plain, few)
    every = [plain, plain * 30, alike, -alike, np.full(shape, -np.inf), few]
    return [*(np.asarray(x).astype(dtype) for x in every), hostile_floats(shape, dtype, 9)]


@pytest.mark.parametrize("name", ["Softmax", "LogSoftmax", "Hardmax", "LpNormalization"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_rows_along_an_axis(name: str, dtype: str) -> None:
    for shape, axis in (
        ((3, 37), -1),
        ((2, 17, 35), 1),
        ((1, 5), -1),
        ((40, 1, 3), 0),
        ((6, 64), 1),
    ):
        for more in ({"p": 1}, {"p": 2}) if name == "LpNormalization" else ({},):
            node = helper.make_node(name, ["x"], ["y"], axis=axis, **more)
            content = model_of([node], {"x": (dtype, shape)}, ["y"])
            for x in _inputs(shape, dtype):
                assert_same(content, {"x": x})


@pytest.mark.parametrize("name", ["Softmax", "LogSoftmax", "Hardmax"])
def test_softmax_of_several_axes(name: str) -> None:
    """Before opset 13."""
    for axis in (0, 1, 3):
        node = helper.make_node(name, ["x"], ["y"], axis=axis)
        content = model_of([node], {"x": ("float32", (3, 5, 7))}, ["y"], opset=11)
        assert_same(content, {"x": hostile_floats((3, 5, 7))})


@pytest.mark.parametrize("dtype", FLOATS)
def test_layer_normalization(dtype: str) -> None:
    for shape, axis, scale in (
        ((5, 48), -1, (48,)),
        ((2, 3, 4, 7), -2, (4, 7)),
        ((2, 3, 37), -1, (1, 1, 37)),
        ((4, 3, 5), 2, (3, 5)),
        ((4, 3, 5), -1, ()),
        ((2, 3), 0, (1, 3)),
    ):
        generator = np.random.default_rng(3)
        weights = {"s": generator.standard_normal(scale).astype(dtype)}
        weights["b"] = generator.standard_normal(shape[-1:]).astype(dtype)
        given = {"x": (dtype, shape)}
        for operator, names in (
            ("LayerNormalization", ["x", "s", "b"]),
            ("LayerNormalization", ["x", "s"]),
            ("RMSNormalization", ["x", "s"]),
        ):
            node = helper.make_node(operator, names, ["y"], axis=axis, epsilon=1e-3)
            content = model_of([node], given, ["y"], weights, opset=23)
            for x in _inputs(shape, dtype):
                assert_same(content, {"x": x})


@pytest.mark.parametrize("dtype", FLOATS)
def test_statistics_and_factors_from_the_run(dtype: str) -> None:
    shape = (6, 35)
    node = helper.make_node("LayerNormalization", ["x", "s", "b"], ["y", "mean", "inverse"])
    given = {"x": (dtype, shape), "s": (dtype, (35,)), "b": (dtype, (1, 35))}
    content = model_of([node], given, ["y", "mean", "inverse"], opset=17)
    arrays = {name: hostile_floats(kind[1], dtype, 5) for name, kind in given.items()}
    assert_same(content, arrays)
    arrays["x"] = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    assert_same(content, arrays)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("opset", [18, 21])
def test_instance_and_group_normalization(dtype: str, opset: int) -> None:
    generator = np.random.default_rng(2)
    for shape in ((2, 6, 5), (1, 6, 4, 9), (3, 6, 1, 1)):
        for groups in (0, 1, 2, 6):
            count = 6 if opset >= 21 or not groups else groups
            weights = {name: generator.standard_normal(count).astype(dtype) for name in "sb"}
            operator = "GroupNormalization" if groups else "InstanceNormalization"
            more = {"num_groups": groups} if groups else {}
            node = helper.make_node(operator, ["x", "s", "b"], ["y"], **more)
            content = model_of([node], {"x": (dtype, shape)}, ["y"], weights, opset)
            for x in _inputs(shape, dtype)[:3]:
                assert_same(content, {"x": x})
            assert_same(content, {"x": hostile_floats(shape, dtype)})


@pytest.mark.parametrize("dtype", FLOATS)
def test_mean_variance_normalization(dtype: str) -> None:
    for axes in ({}, {"axes": [1]}, {"axes": [-1, 0]}):
        node = helper.make_node("MeanVarianceNormalization", ["x"], ["y"], **axes)
        content = model_of([node], {"x": (dtype, (3, 5, 7, 2))}, ["y"])
        for x in _inputs((3, 5, 7, 2), dtype):
            assert_same(content, {"x": x})


@pytest.mark.parametrize("dtype", FLOATS)
def test_local_response_normalization(dtype: str) -> None:
    for size in (1, 3, 4, 40):
        node = helper.make_node("LRN", ["x"], ["y"], size=size, alpha=0.3, beta=0.6, bias=1.5)
        content = model_of([node], {"x": (dtype, (2, 9, 5, 3))}, ["y"])
        for x in _inputs((2, 9, 5, 3), dtype):
            assert_same(content, {"x": x})
