"""Matrix products by the kernels: TENSOR-10, TENSOR-16."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.tensor.kernels.same import Array, assert_same, hostile_floats, model_of


def ordinary(shape: tuple[int, ...], seed: int = 3) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(("m", "k", "n"), [(1, 1, 1), (3, 255, 5), (9, 256, 49), (17, 700, 100)])
@pytest.mark.parametrize("flags", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_gemm(m: int, k: int, n: int, flags: tuple[int, int]) -> None:
    first, second = flags
    b = hostile_floats((n, k) if second else (k, n), seed=1)
    c = hostile_floats((n,), seed=2)
    node = helper.make_node("Gemm", ["a", "b", "c"], ["y"], transA=first, transB=second)
    content = model_of(
        [node], {"a": ("float32", (k, m) if first else (m, k))}, ["y"], {"b": b, "c": c}
    )
    assert_same(content, {"a": ordinary((k, m) if first else (m, k))})
    assert_same(content, {"a": hostile_floats((k, m) if first else (m, k), seed=4)})


@pytest.mark.parametrize("c", [None, (), (1,), (70,), (5, 1), (1, 70), (5, 70)])
@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize(
    ("alpha", "beta"), [(1.0, 1.0), (0.3, 1.0), (1.0, 0.7), (-2.5, 0.1), (0.5, 0.0)]
)
def test_gemm_scaled(c: tuple[int, ...] | None, constant: bool, alpha: float, beta: float) -> None:
    names = ["a", "b"] if c is None else ["a", "b", "c"]
    node = helper.make_node("Gemm", names, ["y"], alpha=alpha, beta=beta)
    arrays = {"a": ordinary((5, 300)), "b": ordinary((300, 70), 4)}
    weights = {}
    if c is not None:
        (weights if constant else arrays)["c"] = hostile_floats(c, seed=5)
    inputs = {name: ("float32", array.shape) for name, array in arrays.items()}
    assert_same(model_of([node], inputs, ["y"], weights), arrays)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((7,), (7,)),
        ((300,), (300, 20)),
        ((20, 300), (300,)),
        ((2, 3, 5, 9), (9,)),
        ((9,), (2, 3, 9, 5)),
        ((4, 5, 9), (9, 50)),
        ((2, 3, 5, 9), (2, 3, 9, 17)),
        ((2, 3, 5, 9), (3, 9, 17)),
        ((2, 3, 5, 9), (2, 1, 9, 17)),
        ((2, 1, 5, 9), (1, 3, 9, 17)),
        ((5, 9), (2, 3, 9, 17)),
        ((2, 1, 2, 1, 3, 4), (2, 2, 1, 2, 4, 5)),
        ((3, 0, 5), (5, 6)),
        ((3, 4, 0), (0, 6)),
        ((1, 40, 20), (2, 20, 260)),
    ],
)
@pytest.mark.parametrize("constant", [False, True])
def test_matmul_shapes(a: tuple[int, ...], b: tuple[int, ...], constant: bool) -> None:
    arrays, weights = {"a": hostile_floats(a, seed=1)}, {"b": ordinary(b)}
    if not constant:
        arrays |= weights
    inputs = {name: ("float32", array.shape) for name, array in arrays.items()}
    node = helper.make_node("MatMul", ["a", "b"], ["y"])
    assert_same(model_of([node], inputs, ["y"], weights if constant else {}), arrays)


def chain(*operators: tuple[Any, ...]) -> list[onnx.NodeProto]:
    """MatMul of x and w, then operators on its result; "it" in their inputs stands for it."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["v0"])]
    for number, (operator, *inputs) in enumerate(operators):
        names = [f"v{number}" if name == "it" else name for name in inputs]
        nodes.append(helper.make_node(operator, names, [f"v{number + 1}"]))
    nodes[-1].output[0] = "y"
    return nodes


@pytest.mark.parametrize("batch", [(), (1,), (2, 3)])
@pytest.mark.parametrize("shared", [False, True])
def test_followers(batch: tuple[int, ...], shared: bool) -> None:
    shape = (*batch, 9, 53)
    weights = {
        "w": ordinary((20, 53) if shared else (*batch, 20, 53)),
        "bias": hostile_floats((53,)),
        "column": hostile_floats((9, 1), seed=6),
        "one": np.float32(0.37),
        "low": np.float32(-0.0),
        "high": np.float32(6.0),
    }
    arrays = {"x": hostile_floats((*batch, 9, 20), seed=8), "r": hostile_floats(shape, seed=9)}
    inputs = {name: ("float32", array.shape) for name, array in arrays.items()}
    for operators in (
        [("Add", "it", "bias"), ("Relu", "it"), ("Add", "r", "it")],
        [("Div", "it", "one"), ("Sub", "column", "it"), ("Clip", "it", "low", "high")],
        [
            ("Mul", "r", "it"),
            ("Sub", "it", "bias"),
            ("Div", "column", "it"),
            ("Clip", "it", "", "high"),
        ],
        [("Relu", "it"), ("Mul", "it", "one"), ("Clip", "it", "low")],
    ):
        chosen = operators
        if shared and len(batch) > 1:  # then rows run through the batch: no column fits them
            chosen = [each for each in operators if "column" not in each]
        used = {name for operator in chosen for name in operator[1:]}
        known = {name: array for name, array in weights.items() if name in used or name == "w"}
        given = {name: kind for name, kind in inputs.items() if name in used or name == "x"}
        content = model_of(chain(*chosen), given, ["y"], known)
        assert_same(content, {name: arrays[name] for name in given})


def test_clip_before_opset_11() -> None:
    nodes = chain(("Clip", "it"))
    nodes[-1].attribute.extend([helper.make_attribute("max", 1.5)])
    content = model_of(nodes, {"x": ("float32", (3, 4))}, ["y"], {"w": ordinary((4, 5))}, opset=9)
    assert_same(content, {"x": ordinary((3, 4), 1)})


def test_a_follower_that_widens_the_result_stays_outside() -> None:
    content = model_of(
        [*chain(("Relu", "it")), helper.make_node("Relu", ["y"], ["z"])],
        {"x": ("float32", (3, 4))},
        ["y", "z"],
        {"w": ordinary((4, 5))},
    )
    assert_same(content, {"x": ordinary((3, 4), 1)})


OTHERS = ("float16", "float64", "int32", "int64", "uint32", "uint64")


def any_numbers(shape: tuple[int, ...], dtype: str, seed: int) -> Array:
    """Random numbers of an element type's whole range; floats with special values."""
    if dtype.startswith("float"):
        return hostile_floats(shape, dtype, seed)
    info = np.iinfo(dtype)
    generator = np.random.default_rng(seed)
    return generator.integers(info.min, info.max, shape, dtype, endpoint=True)


@pytest.mark.parametrize("dtype", OTHERS)
@pytest.mark.parametrize(
    ("a", "b"),
    [((300,), (300, 20)), ((2, 3, 5, 9), (3, 9, 17)), ((70, 520), (520, 33)), ((3, 0), (0, 2))],
)
def test_matmul_of_other_types(dtype: str, a: tuple[int, ...], b: tuple[int, ...]) -> None:
    arrays = {"a": any_numbers(a, dtype, 1), "b": any_numbers(b, dtype, 2)}
    inputs = {name: (dtype, array.shape) for name, array in arrays.items()}
    node = helper.make_node("MatMul", ["a", "b"], ["y"])
    assert_same(model_of([node], inputs, ["y"]), arrays)


@pytest.mark.parametrize("dtype", OTHERS)
@pytest.mark.parametrize("flags", [(0, 1), (1, 0)])
@pytest.mark.parametrize(
    "factors", [(1.0, 1.0), (-1.0, 1.0), (1.0, -1.0), (0.0, -1.0), (-1.0, 0.0)]
)
@pytest.mark.parametrize("c", [None, (70, 1), (33,)])
def test_gemm_of_other_types(
    dtype: str, flags: tuple[int, int], factors: tuple[float, float], c: tuple[int, ...] | None
) -> None:
    shapes = {"a": (260, 70) if flags[0] else (70, 260), "b": (33, 260) if flags[1] else (260, 33)}
    if c is not None:
        shapes["c"] = c
    arrays = {name: any_numbers(shape, dtype, 5) for name, shape in shapes.items()}
    alpha, beta = factors
    if dtype.startswith("float"):
        alpha, beta = alpha * 0.3, beta * 1.7
    node = helper.make_node(
        "Gemm", list(shapes), ["y"], transA=flags[0], transB=flags[1], alpha=alpha, beta=beta
    )
    inputs = {name: (dtype, array.shape) for name, array in arrays.items()}
    assert_same(model_of([node], inputs, ["y"]), arrays)
