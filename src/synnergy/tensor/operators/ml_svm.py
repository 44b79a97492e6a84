"""SVMClassifier and SVMRegressor. Semantics: ML-24 to ML-28 of spec/tensor-ml.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.environment import quiet
from synnergy.tensor.operators import ml_attributes as read
from synnergy.tensor.operators import ml_coupling as coupling
from synnergy.tensor.operators import ml_scores as scores
from synnergy.tensor.operators.ml_kernels import Kernel, kernel, linear
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import Array, Node, Refuse, TensorType, Value, ValueType, Work

# Kernel values that are held at once.
_CELLS = 1 << 21
_MOST_CLASSES = 65_535


def _rows_at_once(kernel: Kernel, classes: int = 1) -> int:
    return max(1, _CELLS // (kernel.count + classes * classes))


# SVMClassifier. ML-25, ML-26, ML-27


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """`starts` bounds each class's vectors (None: liblinear, vectors are the classes' weights)."""

    kernel: Kernel
    classes: read.Labels
    coefficients: Array
    starts: list[int] | None
    rho: Array
    prob_a: Array
    prob_b: Array
    transform: str
    positive: bool

    @property
    def pairs(self) -> int:
        return self.classes.count * (self.classes.count - 1) // 2

    @property
    def columns(self) -> int:
        """Columns of the scores: one for each class, or for each pair of more than two."""
        if self.starts is None or len(self.prob_a) or self.classes.count == 2:
            return self.classes.count
        return self.pairs


@lru_cache(maxsize=32)
def classifier(node: Node) -> Classifier:
    """The node's model. Raises Refuse."""
    classes = read.labels(node, "classlabels_ints", "classlabels_strings")
    if not 2 <= classes.count <= _MOST_CLASSES:
        raise Refuse(f"a classifier of {classes.count} classes")
    per_class = read.integers(node, "vectors_per_class").tolist()
    coefficients = read.floats(node, "coefficients")
    rho = read.floats(node, "rho")
    prob_a, prob_b = read.floats(node, "prob_a"), read.floats(node, "prob_b")
    transform = scores.post_transform(node)
    positive = bool((coefficients >= 0).all())
    pairs = classes.count * (classes.count - 1) // 2
    if any(count < 0 for count in per_class):
        raise Refuse("vectors_per_class has a negative number")
    if sum(per_class) == 0:
        return _linear_classifier(node, classes, coefficients, rho, transform, positive)
    if len(per_class) != classes.count:
        raise Refuse(f"{len(per_class)} vectors_per_class for {classes.count} classes")
    vectors = sum(per_class)
    function = kernel(node, vectors, read.floats(node, "support_vectors"))
    if len(coefficients) != (classes.count - 1) * vectors:
        raise Refuse(f"{len(coefficients)} coefficients for {vectors} support vectors")
    if len(rho) != pairs or len(prob_a) not in (0, pairs) or len(prob_a) != len(prob_b):
        raise Refuse(f"rho, prob_a or prob_b do not fit {pairs} pairs of classes")
    if classes.count == 2 and len(prob_a) == 0:
        scores.refuse_binary_probit(transform)
    starts = [0]
    for count in per_class:
        starts.append(starts[-1] + count)
    rows = coefficients.reshape(classes.count - 1, vectors)
    return Classifier(function, classes, rows, starts, rho, prob_a, prob_b, transform, positive)


def _linear_classifier(
    node: Node,
    classes: read.Labels,
    coefficients: Array,
    rho: Array,
    transform: str,
    positive: bool,
) -> Classifier:
    """liblinear's form: a weight vector for each class."""
    function = linear(kernel(node, classes.count, coefficients))
    if len(rho) == 0:
        raise Refuse("rho is missing")
    nothing = np.zeros(0, np.float32)
    return Classifier(
        function, classes, coefficients, None, rho, nothing, nothing, transform, positive
    )


def _infer_classifier(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    rows, features = read.matrix_shape(read.required(inputs, 1)[0])
    model = classifier(node)
    if model.kernel.features != features:
        raise Refuse(f"vectors of {model.kernel.features} features, input has {features}")
    return [
        TensorType(model.classes.dtype, (rows,)),
        TensorType("float32", (rows, model.columns)),
    ]


def _work_classifier(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """The kernel of each row and support vector, the votes of every pair of classes, and where
    there are probabilities their coupling at its most iterations."""
    rows = outputs[0].elements
    model = classifier(node)
    count = model.classes.count
    functions = 0 if model.transform == "NONE" else 2 * outputs[1].elements
    work = model.kernel.work(rows) + Work(
        macs=rows * model.kernel.count * (count - 1),
        elements=rows * (count + 4 * model.columns + model.pairs),
        functions=functions,
        steps=0,
    )
    if len(model.prob_a) == 0:
        return work
    iteration = count * (2 * count + 8) + count * (5 * count + 10)
    return work + Work(
        elements=rows * (count * count * 4 + coupling.LIMIT * iteration),
        functions=rows * model.pairs,
        steps=0,
    )


@quiet
def _decisions(model: Classifier, starts: list[int], values: Array) -> tuple[Array, Array]:
    """(rows × pairs decision values, rows × classes votes) from kernel values. ML-25"""
    count, rows = model.classes.count, len(values)
    decisions = np.zeros((rows, model.pairs), np.float32)
    votes = np.zeros((rows, count), np.int64)
    by_vector = np.ascontiguousarray(values.T)
    pair = 0
    for i in range(count):
        for j in range(i + 1, count):
            first, second = slice(starts[i], starts[i + 1]), slice(starts[j], starts[j + 1])
            total = np.zeros(rows, np.float64)
            for row, part in ((j - 1, first), (i, second)):
                for term in model.coefficients[row, part, None] * by_vector[part]:
                    total += term
            total += np.float64(model.rho[pair])
            decisions[:, pair] = total.astype(np.float32)
            won = total > 0
            votes[:, i] += won
            votes[:, j] += ~won
            pair += 1
    return decisions, votes


def _score(model: Classifier, x: Array) -> tuple[Array, Array]:
    """(class index of each row, scores) of a chunk of rows."""
    if model.starts is None:
        raw = numerics.matmul(x, model.kernel.vectors.T, model.rho[:1])
        return _linear_choice(model, raw), scores.transform(raw, model.transform)
    decisions, votes = _decisions(model, model.starts, model.kernel.compare(x))
    chosen = votes.argmax(axis=1)
    if len(model.prob_a):
        pairs = coupling.pairwise(decisions, model.prob_a, model.prob_b, model.classes.count)
        return chosen, scores.transform(coupling.couple(pairs), model.transform)
    if model.classes.count > 2:
        return chosen, scores.transform(decisions, model.transform)
    if model.transform == "NONE":
        return chosen, scores.opposed(decisions[:, 0], "NONE")
    return chosen, scores.complement(decisions[:, 0], model.transform)


def _linear_choice(model: Classifier, raw: Array) -> Array:
    """Class index: the largest score, but of two classes the second where that is positive."""
    chosen = scores.first_largest(raw)
    if model.classes.count > 2:
        return chosen
    largest = raw[np.arange(len(raw)), chosen]
    certain = largest >= np.float32(0.5) if model.positive else largest > 0
    return np.where(certain, 1, chosen)


def _run_classifier(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    model = classifier(node)
    x = read.narrowed(read.matrix(read.given(inputs)))
    chosen = np.zeros(len(x), np.int64)
    result = np.zeros((len(x), model.columns), np.float32)
    step = _rows_at_once(model.kernel, model.classes.count)
    for begin in range(0, len(x), step):
        part = slice(begin, begin + step)
        chosen[part], result[part] = _score(model, x[part])
    return [model.classes.pick(chosen), result]


register("SVMClassifier", _infer_classifier, _run_classifier, _work_classifier, domain=read.DOMAIN)


# SVMRegressor. ML-28


@dataclass(frozen=True, slots=True, eq=False)
class Regressor:
    """`coefficients` is None in liblinear's form, where the only vector is the weights."""

    kernel: Kernel
    coefficients: Array | None
    rho: Array
    one_class: bool


@lru_cache(maxsize=32)
def regressor(node: Node) -> Regressor:
    """The node's model. Raises Refuse."""
    count = read.integer(node, "n_supports", 0)
    coefficients = read.floats(node, "coefficients")
    rho = read.floats(node, "rho")
    one_class = read.integer(node, "one_class", 0) != 0
    if scores.post_transform(node) != "NONE":
        raise Refuse("post_transform of a regressor that has no post transforms")
    if len(rho) != 1:
        raise Refuse(f"rho has {len(rho)} values, not 1")
    if count <= 0:
        return Regressor(linear(kernel(node, 1, coefficients)), None, rho, one_class)
    if len(coefficients) != count:
        raise Refuse(f"{len(coefficients)} coefficients for {count} support vectors")
    function = kernel(node, count, read.floats(node, "support_vectors"))
    return Regressor(function, coefficients, rho, one_class)


def _infer_regressor(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    rows, features = read.matrix_shape(read.required(inputs, 1)[0])
    model = regressor(node)
    if model.kernel.features != features:
        raise Refuse(f"vectors of {model.kernel.features} features, input has {features}")
    return [TensorType("float32", (rows, 1))]


def _work_regressor(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """The kernel of each row and support vector, and a multiply-add for each."""
    rows = outputs[0].elements
    model = regressor(node)
    return model.kernel.work(rows) + Work(macs=rows * model.kernel.count, steps=0)


def _run_regressor(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    model = regressor(node)
    x = read.narrowed(read.matrix(read.given(inputs)))
    result = np.zeros((len(x), 1), np.float32)
    step = _rows_at_once(model.kernel)
    for begin in range(0, len(x), step):
        part = x[begin : begin + step]
        if model.coefficients is None:
            value = numerics.matmul(part, model.kernel.vectors.T, model.rho)
        else:
            values = model.kernel.compare(part)
            value = numerics.matmul(values, model.coefficients[:, None], model.rho)
        result[begin : begin + step] = value
    if model.one_class:
        result = np.where(result > 0, np.float32(1), np.float32(-1))
    return [result]


register("SVMRegressor", _infer_regressor, _run_regressor, _work_regressor, domain=read.DOMAIN)
