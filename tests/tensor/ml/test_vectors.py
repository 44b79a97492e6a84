"""Linear models and support vector machines against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from synnergy.tensor.types import Refuse
from tests.tensor.ml.oracle import agree, ours

TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")
KERNELS = ("LINEAR", "POLY", "RBF", "SIGMOID")


def _x(rng: np.random.Generator, features: int, dtype: str = "float32") -> np.ndarray:
    x = rng.normal(size=(5, features)) * (10 if dtype[:3] == "int" else 1)
    return x.astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32"])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_linear_classifiers(transform: str, dtype: str) -> None:
    # ML-22
    rng = np.random.default_rng(1)
    x = _x(rng, 4, dtype)
    weights = rng.normal(size=12).tolist()
    several = {"coefficients": weights, "intercepts": [0.1, 0.2, 0.3]}
    agree("LinearClassifier", x, outputs=2, post_transform=transform,
          classlabels_ints=[5, 6, 7], **several)  # fmt: skip
    two = {"coefficients": weights[:8], "intercepts": [0.1, 0.2]}
    agree("LinearClassifier", x, outputs=2, post_transform=transform,
          classlabels_strings=["a", "b"], **two)  # fmt: skip
    if transform != "PROBIT":
        one = {"coefficients": weights[:4], "intercepts": [0.1]}
        agree("LinearClassifier", x, outputs=2, post_transform=transform,
              classlabels_strings=["a", "b"], **one)  # fmt: skip


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_linear_regressors(transform: str) -> None:
    # ML-23
    rng = np.random.default_rng(2)
    x = _x(rng, 4)
    weights = (rng.normal(size=12) / 10).tolist()
    agree("LinearRegressor", x, coefficients=weights, intercepts=[1.0, 2.0, 0.1], targets=3,
          post_transform=transform)  # fmt: skip
    agree("LinearRegressor", x, coefficients=weights[:4], intercepts=[0.5],
          post_transform=transform, targets=1)  # fmt: skip
    agree("LinearRegressor", x[0], coefficients=weights[:4], post_transform=transform, targets=1)


def _machine(rng: np.random.Generator, classes: int, features: int, kernel: str) -> dict[str, Any]:
    per_class = rng.integers(0, 4, size=classes)
    per_class[0] += 1
    vectors, pairs = int(per_class.sum()), classes * (classes - 1) // 2
    return {
        "kernel_type": kernel,
        "kernel_params": [float(rng.uniform(0.1, 1)), float(rng.choice([0, 0.5])),
                          float(rng.choice([2, 3, 4]))],
        "support_vectors": rng.normal(size=vectors * features).tolist(),
        "vectors_per_class": per_class.tolist(),
        "coefficients": rng.normal(size=(classes - 1) * vectors).tolist(),
        "rho": rng.normal(size=pairs).tolist(),
        "classlabels_ints": list(range(10, 10 + classes)),
    }  # fmt: skip


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_support_vector_classifiers(classes: int, kernel: str) -> None:
    # ML-24, ML-25, ML-27
    rng = np.random.default_rng([classes, len(kernel)])
    pairs = classes * (classes - 1) // 2
    for transform in TRANSFORMS[:4]:
        for probable in (False, True):
            x = _x(rng, 3, str(rng.choice(["float32", "float64", "int64"])))
            machine = _machine(rng, classes, 3, kernel)
            if probable:
                machine["prob_a"] = rng.normal(size=pairs).tolist()
                machine["prob_b"] = rng.normal(size=pairs).tolist()
            agree("SVMClassifier", x, outputs=2, post_transform=transform, **machine)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("positive", [False, True])
def test_weights_for_each_class(positive: bool, classes: int, transform: str) -> None:
    # ML-26
    rng = np.random.default_rng(classes + positive)
    for _ in range(4):
        weights = rng.normal(size=classes * 3)
        agree("SVMClassifier", _x(rng, 3), outputs=2, rho=[0.3], kernel_type="LINEAR",
              coefficients=(abs(weights) if positive else weights).tolist(),
              kernel_params=[0.0, 0.0, 0.0], post_transform=transform,
              classlabels_strings=list("abcd"[:classes]))  # fmt: skip


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("one_class", [0, 1])
def test_support_vector_regressors(one_class: int, kernel: str) -> None:
    # ML-28
    rng = np.random.default_rng(3)
    common: dict[str, Any] = {"kernel_type": kernel, "kernel_params": [0.3, 0.5, 3.0],
                              "rho": [0.2], "one_class": one_class}  # fmt: skip
    x = _x(rng, 3)
    agree("SVMRegressor", x, n_supports=7, support_vectors=rng.normal(size=21).tolist(),
          coefficients=rng.normal(size=7).tolist(), **common)  # fmt: skip
    agree("SVMRegressor", x, n_supports=0, coefficients=rng.normal(size=3).tolist(), **common)


def test_probabilities_sum_to_one_whatever_the_decisions() -> None:
    # ML-27: also where the iteration does not converge in its passes
    rng = np.random.default_rng(4)
    machine = _machine(rng, 6, 3, "RBF")
    machine["prob_a"], machine["prob_b"] = [-1e4] * 15, [1e3] * 15
    _, scores = ours("SVMClassifier", _x(rng, 3), outputs=2, **machine)
    assert np.abs(scores.sum(axis=1) - 1).max() < 1e-3


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rho": [0.0]}, "pairs of classes"),
        ({"prob_a": [1.0], "prob_b": [1.0]}, "pairs of classes"),
        ({"vectors_per_class": [1, -1, 5]}, "negative"),
        ({"vectors_per_class": [2**62, 1, 1]}, "vectors"),
        ({"coefficients": [1.0]}, "coefficients"),
        ({"kernel_params": [1.0]}, "kernel_params"),
        ({"kernel_type": "COSINE"}, "not one of"),
        ({"support_vectors": [1.0]}, "vectors"),
        ({"classlabels_strings": ["a", "b", "c"]}, "exactly one"),
        ({"classlabels_ints": [1]}, "classifier of 1"),
    ],
)
def test_broken_machines_are_refused(changes: dict[str, Any], reason: str) -> None:
    machine = {**_machine(np.random.default_rng(5), 3, 2, "RBF"), **changes}
    with pytest.raises(Refuse, match=reason):
        ours("SVMClassifier", np.zeros((1, 2), np.float32), outputs=2, **machine)
