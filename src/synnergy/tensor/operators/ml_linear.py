"""LinearClassifier and LinearRegressor. Semantics: ML-22, ML-23 of spec/tensor-ml.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.operators import ml_attributes as read
from synnergy.tensor.operators import ml_scores as scores
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import Array, Node, Refuse, TensorType, Value, ValueType, Work


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """Coefficients as features × targets, intercepts by target (None: none), post transform."""

    coefficients: Array
    intercepts: Array | None
    transform: str

    @property
    def targets(self) -> int:
        return self.coefficients.shape[1]

    def score(self, x: Array) -> Array:
        """Rows × targets: the dot product started from the intercept."""
        return numerics.matmul(read.narrowed(read.matrix(x)), self.coefficients, self.intercepts)


def _linear(node: Node, targets: int, intercepts: Array) -> Linear:
    flat = read.floats(node, "coefficients")
    if not 0 < targets <= len(flat) or len(flat) % targets:
        raise Refuse(f"{len(flat)} coefficients for {targets} targets")
    matrix = np.ascontiguousarray(flat.reshape(targets, -1).T)
    start = intercepts if len(intercepts) else None
    return Linear(matrix, start, scores.post_transform(node))


def _check_features(model: Linear, features: int) -> None:
    if model.coefficients.shape[0] != features:
        expected = model.coefficients.shape[0]
        raise Refuse(f"coefficients for {expected} features, input has {features}")


def _work(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """A multiply-add for each coefficient and row, four passes over the outputs, two functions
    for each score that is transformed."""
    coefficients = len(read.floats(node, "coefficients"))
    rows = read.matrix_shape(read.required(inputs, 1)[0])[0]
    total = sum(output.elements for output in outputs)
    functions = 0 if scores.post_transform(node) == "NONE" else 2 * outputs[-1].elements
    return Work(macs=rows * coefficients, elements=4 * total, functions=functions)


# LinearClassifier. ML-22


@lru_cache(maxsize=64)
def classifier(node: Node) -> tuple[Linear, read.Labels]:
    """The node's model. Raises Refuse."""
    classes = read.labels(node, "classlabels_ints", "classlabels_strings")
    intercepts = read.floats(node, "intercepts")
    read.integer(node, "multi_class", 0)
    model = _linear(node, len(intercepts) or classes.count, intercepts)
    if model.targets != classes.count and not (model.targets == 1 and classes.count == 2):
        raise Refuse(f"{model.targets} intercepts for {classes.count} classes")
    if model.targets == 1:
        if classes.count != 2:
            raise Refuse("a classifier of a single class")
        scores.refuse_binary_probit(model.transform)
    return model, classes


def _infer_classifier(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    rows, features = read.matrix_shape(read.required(inputs, 1)[0])
    model, classes = classifier(node)
    _check_features(model, features)
    return [TensorType(classes.dtype, (rows,)), TensorType("float32", (rows, classes.count))]


def _run_classifier(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    model, classes = classifier(node)
    raw = model.score(read.given(inputs))
    if model.targets == 1:
        score = raw[:, 0]
        chosen = classes.pick((score > 0).astype(np.int64))
        return [chosen, scores.complement(score, model.transform)]
    return [classes.pick(scores.first_largest(raw)), scores.transform(raw, model.transform)]


register("LinearClassifier", _infer_classifier, _run_classifier, _work, domain=read.DOMAIN)


# LinearRegressor. ML-23


@lru_cache(maxsize=64)
def regressor(node: Node) -> Linear:
    """The node's model. Raises Refuse."""
    targets = read.integer(node, "targets", 1)
    intercepts = read.floats(node, "intercepts")
    if len(intercepts) not in (0, targets):
        raise Refuse(f"{len(intercepts)} intercepts for {targets} targets")
    return _linear(node, targets, intercepts)


def _infer_regressor(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    rows, features = read.matrix_shape(read.required(inputs, 1)[0])
    model = regressor(node)
    _check_features(model, features)
    return [TensorType("float32", (rows, model.targets))]


def _run_regressor(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    model = regressor(node)
    raw = model.score(read.given(inputs))
    if model.targets > 1 or model.transform == "PROBIT":
        raw = scores.transform(raw, model.transform)
    return [raw]


register("LinearRegressor", _infer_regressor, _run_regressor, _work, domain=read.DOMAIN)
