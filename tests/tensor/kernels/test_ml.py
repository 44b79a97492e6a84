"""Classical models by the kernels: ML-4 to ML-28."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper

from synnergy.tensor import BadInput, load
from synnergy.tensor.kernels.selection import builds
from tests.tensor.kernels.same import assert_same, hostile_floats, model_of

NUMBERS = ("float32", "float64", "int64", "int32")
TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")


def _numbers(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    if dtype.startswith("float"):
        return hostile_floats(shape, dtype, seed=seed)
    return np.random.default_rng(seed).integers(-5, 6, shape).astype(dtype)


def _compare(
    operator: str, x: np.ndarray, outputs: int = 1, opset: int = 4, **attributes: Any
) -> dict[str, np.ndarray]:
    names = [f"y{index}" for index in range(outputs)]
    node = helper.make_node(operator, ["x"], names, domain="ai.onnx.ml", **attributes)
    types = {"x": (x.dtype.name, x.shape)}
    return assert_same(model_of([node], types, names, ml=opset), {"x": x})


@pytest.mark.parametrize("dtype", NUMBERS)
def test_columns(dtype: str) -> None:
    x = _numbers((33, 7), dtype)
    each = np.linspace(-1, 2, 7).astype(np.float32).tolist()
    _compare("Scaler", x, scale=each, offset=each[::-1])
    _compare("Scaler", x, scale=[0.3], offset=[-0.0])
    for norm in ("MAX", "L1", "L2"):
        _compare("Normalizer", x, norm=norm)
        _compare("Normalizer", _numbers((5, 40), dtype, seed=1), norm=norm)
        _compare("Normalizer", np.zeros((2, 3), dtype), norm=norm)
    _compare("Binarizer", x, threshold=0.5)
    if dtype.startswith("float"):
        _compare("Imputer", x, imputed_value_floats=each, replaced_value_float=float("nan"))
        _compare("Imputer", x, imputed_value_floats=[7.5], replaced_value_float=0.0)
    else:
        _compare("Imputer", x, imputed_value_int64s=list(range(7)), replaced_value_int64=-2)


def test_vectorizer_and_extractor() -> None:
    arrays = {
        "a": _numbers((4, 3), "float64"),
        "b": _numbers((4, 2, 2), "int64"),
        "c": _numbers((4, 1), "float32"),
    }
    nodes = [
        helper.make_node(
            "FeatureVectorizer", list("abc"), ["v"], domain="ai.onnx.ml", inputdimensions=[2, 4, 3]
        ),
        helper.make_node("ArrayFeatureExtractor", ["v", "i"], ["w"], domain="ai.onnx.ml"),
    ]
    types = {name: (array.dtype.name, array.shape) for name, array in arrays.items()}
    weights = {"i": np.array([[8, 0, 3, 3]])}
    assert_same(model_of(nodes, types, ["v", "w"], weights), arrays)


def test_what_values_forbid_fails_the_run() -> None:
    x = np.arange(4.0, dtype=np.float32)[None]
    take = helper.make_node("ArrayFeatureExtractor", ["x", "i"], ["y"], domain="ai.onnx.ml")
    types = {"x": ("float32", (1, 4)), "i": ("int64", (2,))}
    taking = model_of([take], types, ["y"])
    assert_same(taking, {"x": x, "i": np.array([3, 0])})
    sort = helper.make_node(
        "OneHotEncoder", ["x"], ["y"], domain="ai.onnx.ml", cats_int64s=[0, 1, 2, 3], zeros=0
    )
    sorting = model_of([sort], {"x": ("float32", (1, 4))}, ["y"])
    assert_same(sorting, {"x": x})
    for kernel in (*builds(), "reference"):
        for index in (4, -1):
            with pytest.raises(BadInput):
                load(taking).run({"x": x, "i": np.array([0, index])}, kernel=kernel)
        with pytest.raises(BadInput):
            load(sorting).run({"x": x + 1}, kernel=kernel)


def test_look_ups() -> None:
    x = np.array([[5, 2, 2**53 + 1, -7, 0], [3, 9, 1, 2**53, -(2**63)]])
    keys = [5, 2, -7, 2**53 + 1, 5, -(2**63)]
    _compare("LabelEncoder", x, keys_int64s=keys, values_floats=[0.5, -0.0, 3, 4, 5, 6])
    _compare("LabelEncoder", x, keys_int64s=keys, values_int64s=list(range(6)), default_int64=9)
    texts = ["five", "two", "minus seven", "large", "again", "least"]
    found = _compare("LabelEncoder", x, keys_int64s=keys, values_strings=texts)
    assert found["y0"].reshape(-1).tolist()[:4] == ["five", "two", "large", "minus seven"]
    _compare("CategoryMapper", x, cats_int64s=keys, cats_strings=texts, default_string="?")
    floats = _numbers((40,), "float32")
    keys = [0.0, 1.0, float("inf"), 0.5, float(np.finfo(np.float32).max), float("nan")]
    for opset in (2, 4):
        _compare("LabelEncoder", floats, 1, opset, keys_floats=keys, values_int64s=list(range(6)))


@pytest.mark.parametrize("dtype", NUMBERS)
def test_one_hot(dtype: str) -> None:
    _compare("OneHotEncoder", _numbers((6, 5), dtype), cats_int64s=[3, 0, -1, 1, 3], zeros=1)


@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_linear_models(dtype: str) -> None:
    rng = np.random.default_rng(2)
    for turn, transform in enumerate(TRANSFORMS):
        x = _numbers((19, 5), dtype, seed=turn)
        weights = rng.standard_normal(15).astype(np.float32).tolist()
        three = {"coefficients": weights, "post_transform": transform}
        _compare("LinearClassifier", x, 2, classlabels_ints=[4, 5, 9], **three)
        texts = {"classlabels_strings": ["a", "b", "c"], "intercepts": [0.5, -0.25, 0.0]}
        labels = _compare("LinearClassifier", x, 2, **texts, **three)["y0"]
        assert set(labels.tolist()) <= {"a", "b", "c"}
        one = {"coefficients": weights[:5], "post_transform": transform, "intercepts": [0.125]}
        if transform != "PROBIT":
            _compare("LinearClassifier", x, 2, classlabels_ints=[0, 1], **one)
        _compare("LinearRegressor", x, **one)
        _compare("LinearRegressor", x, targets=3, **three)


@pytest.mark.parametrize("kernel", ["LINEAR", "POLY", "RBF", "SIGMOID"])
def test_support_vectors(kernel: str) -> None:
    rng = np.random.default_rng(3)

    def floats(*shape: int) -> list[float]:
        return rng.standard_normal(shape).astype(np.float32).reshape(-1).tolist()

    ordinary = rng.standard_normal((9, 5)).astype(np.float32)
    for degree, offset in ((2.0, 0.0), (3.0, 0.5), (2.5, 1.0)):
        machine = {
            "kernel_type": kernel,
            "kernel_params": [0.3, offset, degree],
            "support_vectors": floats(20, 5),
        }
        for x in (ordinary, hostile_floats((6, 5), seed=int(degree))):
            weights = {"coefficients": floats(20), "rho": [0.3]}
            _compare("SVMRegressor", x, n_supports=20, **machine, **weights)
            _compare("SVMRegressor", x, n_supports=20, one_class=1, **machine, **weights)
            for counts in ([12, 8], [5, 9, 6]):
                pairs = len(counts) * (len(counts) - 1) // 2
                several = {
                    "vectors_per_class": counts,
                    "coefficients": floats(len(counts) - 1, 20),
                    "rho": floats(pairs),
                    "classlabels_ints": list(range(3, 3 + len(counts))),
                    **machine,
                }
                for transform in ("NONE", "LOGISTIC"):
                    _compare("SVMClassifier", x, 2, post_transform=transform, **several)
                proved = {"prob_a": floats(pairs), "prob_b": floats(pairs)}
                _compare("SVMClassifier", x, 2, **several, **proved)


def test_weights_instead_of_support_vectors() -> None:
    rng = np.random.default_rng(4)
    x = hostile_floats((15, 4))
    for classes in (2, 3):
        for positive in (False, True):
            weights = rng.standard_normal(4 * classes).astype(np.float32)
            machine = {
                "coefficients": (np.abs(weights) if positive else weights).tolist(),
                "rho": [0.25] * classes,
            }
            _compare("SVMClassifier", x, 2, classlabels_ints=list(range(classes)), **machine)
    _compare("SVMRegressor", x, coefficients=[0.5, -1.0, 2.0, 0.25], rho=[0.5])


def test_a_pipeline_is_one_call() -> None:
    """Labels of texts and maps take no node of their own."""
    rng = np.random.default_rng(5)
    nodes = [
        helper.make_node(
            "Scaler", ["x"], ["s"], domain="ai.onnx.ml", scale=[0.5] * 4, offset=[1.0] * 4
        ),
        helper.make_node(
            "LinearClassifier",
            ["s"],
            ["label", "p"],
            domain="ai.onnx.ml",
            coefficients=rng.standard_normal(12).astype(np.float32).tolist(),
            intercepts=[0.0, 0.5, 0.25],
            classlabels_strings=["no", "yes", "perhaps"],
            post_transform="SOFTMAX",
        ),
        helper.make_node(
            "ZipMap",
            ["p"],
            ["maps"],
            domain="ai.onnx.ml",
            classlabels_strings=["no", "yes", "perhaps"],
        ),
    ]
    plan = load(model_of(nodes, {"x": ("float32", ("n", 4))}, ["label", "maps"], ml=1))
    x = rng.standard_normal((3, 4)).astype(np.float32)
    assert plan.left_to_reference({"x": x.shape}) == ()
    expected = plan.run({"x": x}, kernel="reference")
    found = plan.run({"x": x})
    assert found["label"].tolist() == expected["label"].tolist()
    assert found["maps"] == expected["maps"]
    assert set(found["maps"][0]) == {"no", "yes", "perhaps"}


def test_texts_chosen_by_places() -> None:
    nodes = [
        helper.make_node("ArgMax", ["x"], ["best"], axis=1, keepdims=0),
        helper.make_node(
            "ArrayFeatureExtractor", ["names", "best"], ["picked"], domain="ai.onnx.ml"
        ),
        helper.make_node("Reshape", ["picked", "shape"], ["flat"]),
        helper.make_node("Identity", ["flat"], ["label"]),
        helper.make_node("Identity", ["names"], ["all"]),
    ]
    names = np.array(["a", "b", "", "é"], dtype=object)
    weights = {"names": names, "shape": np.array([-1])}
    plan = load(model_of(nodes, {"x": ("float32", ("n", 4))}, ["label", "all"], weights, ml=1))
    x = np.eye(4, dtype=np.float32)[[3, 0, 2, 1, 1]]
    assert plan.left_to_reference({"x": x.shape}) == ()
    for kernel in (*builds(), "reference"):
        found = plan.run({"x": x}, kernel=kernel)
        assert found["label"].tolist() == ["é", "a", "", "b", "b"]
        assert found["all"].tolist() == names.tolist()
