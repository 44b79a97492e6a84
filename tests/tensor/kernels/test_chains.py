"""Chains of elementwise nodes that one step does: TENSOR-21, TENSOR-22."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.tensor.kernels.same import Array, assert_same, hostile_floats, model_of

SHAPES: tuple[tuple[int, ...], ...] = ((), (3,), (5, 70), (2, 3, 1025), (4, 5, 7), (40, 2, 64))

Chain = list[tuple[str, list[str]]]

#: Operators with their inputs; "_" is what the one before gave.
CHAINS: dict[str, Chain] = {
    "gelu": [
        ("Div", ["x", "root"]),
        ("Erf", ["_"]),
        ("Add", ["_", "one"]),
        ("Mul", ["x", "_"]),
        ("Mul", ["_", "half"]),
    ],
    "silu": [("Sigmoid", ["x"]), ("Mul", ["x", "_"])],
    "bounded": [("Sub", ["one", "x"]), ("Clip", ["_", "zero", "half"]), ("Exp", ["_"])],
    "row": [("Tanh", ["x"]), ("Add", ["_", "row"]), ("Div", ["row", "_"]), ("Relu", ["_"])],
    "larger": [("Relu", ["x"]), ("Mul", ["_", "half"]), ("Add", ["_", "larger"])],
    "twice": [("Mul", ["x", "half"]), ("Exp", ["_"]), ("Add", ["_", "_"]), ("Gelu", ["_"])],
}


def _nodes(chain: Chain) -> list[onnx.NodeProto]:
    last, nodes = "x", list[onnx.NodeProto]()
    for place, (operator, inputs) in enumerate(chain):
        result = "y" if place == len(chain) - 1 else f"value_{place}"
        named = [last if name == "_" else name for name in inputs]
        nodes.append(helper.make_node(operator, named, [result]))
        last = result
    return nodes


@pytest.mark.parametrize("name", CHAINS)
def test_chains(name: str) -> None:
    for shape in SHAPES:
        scalars = {"root": 2**0.5, "one": 1.0, "half": 0.5, "zero": 0.0}
        weights: dict[str, Array] = {
            key: np.array(value, np.float32) for key, value in scalars.items()
        }
        weights["row"] = hostile_floats(shape[-1:], seed=3)
        weights["larger"] = hostile_floats((2, *shape), seed=4)
        content = model_of(_nodes(CHAINS[name]), {"x": ("float32", shape)}, ["y"], weights, 20)
        assert_same(content, {"x": np.random.default_rng(0).normal(size=shape).astype("f")})
        assert_same(content, {"x": hostile_floats(shape)})


@pytest.mark.parametrize("function", ["Erf", "Tanh", "Sigmoid", "Exp", "Gelu"])
def test_products_that_end_in_a_function(function: str) -> None:
    weights = {"w": hostile_floats((20, 37), seed=1), "b": hostile_floats((37,), seed=2)}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"]),
        helper.make_node("Add", ["product", "b"], ["sum"]),
        helper.make_node(function, ["sum"], ["y"]),
    ]
    content = model_of(nodes, {"x": ("float32", (9, 20))}, ["y"], weights, 20)
    assert_same(content, {"x": np.random.default_rng(0).normal(size=(9, 20)).astype("f")})
    assert_same(content, {"x": hostile_floats((9, 20))})


def test_tanh_approximation_follows_a_product() -> None:
    weights = {"w": np.random.default_rng(1).normal(size=(20, 37)).astype(np.float32)}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"]),
        helper.make_node("Gelu", ["product"], ["y"], approximate="tanh"),
    ]
    content = model_of(nodes, {"x": ("float32", (9, 20))}, ["y"], weights, 20)
    assert_same(content, {"x": np.random.default_rng(0).normal(size=(9, 20)).astype("f")})
