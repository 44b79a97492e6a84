"""TreeEnsembleClassifier, TreeEnsembleRegressor and TreeEnsemble (ML-29 to ML-36)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from synnergy.tensor.environment import quiet
from synnergy.tensor.operators import ml_attributes as read
from synnergy.tensor.operators import ml_forest as forests
from synnergy.tensor.operators import ml_scores as scores
from synnergy.tensor.operators import ml_tree_attributes as attributes
from synnergy.tensor.operators.ml_forest import Forest
from synnergy.tensor.operators.registry import Scope, register
from synnergy.tensor.types import Array, Node, Refuse, TensorType, Value, ValueType, Work

_AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")
_TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")
_MOST_TARGETS = 1 << 24


def _compute_type(dtype: str) -> np.dtype[np.floating]:
    """float64 for float64 inputs, else float32. ML-29"""
    return np.dtype(np.float64 if dtype == "float64" else np.float32)


def _check_features(forest: Forest, features: int) -> None:
    if forest.features > features:
        raise Refuse(f"a node compares feature {forest.features - 1} of {features}")


def _work(forest: Forest, rows: int, targets: int, transform: str) -> Work:
    """A comparison is a few element operations; a leaf adds each of its weights."""
    outputs = rows * targets
    return Work(
        elements=rows * (4 * forest.depth + 2 * forest.trees * max(1, forest.most)) + 8 * outputs,
        functions=0 if transform == "NONE" else 2 * outputs,
    )


def _chunks(forest: Forest, x: Array) -> list[slice]:
    step = forest.rows_at_once()
    return [slice(begin, begin + step) for begin in range(0, len(x), step)]


# Regression. ML-33


@dataclass(frozen=True, slots=True, eq=False)
class Regressor:
    """A forest, and what its sums become; `base` may be empty."""

    forest: Forest
    targets: int
    base: Array
    aggregate: str
    transform: str


@quiet
def _regress(model: Regressor, x: Array) -> Array:
    """Rows × targets in the forest's type (in float32 after a post transform)."""
    forest = model.forest
    how = "SUM" if model.aggregate == "AVERAGE" else model.aggregate
    parts: list[Array] = []
    for part in _chunks(forest, x):
        reached = forests.leaves(forest, x[part])
        score, seen = forests.aggregate(forest, reached, model.targets, how)
        if model.aggregate == "AVERAGE":
            score = score / forest.dtype.type(forest.trees)
        if len(model.base):
            score = np.where(seen, score + model.base, forest.dtype.type(0))
        parts.append(score)
    result = np.concatenate(parts) if parts else np.zeros((0, model.targets), forest.dtype)
    if model.transform == "NONE" or (model.targets == 1 and model.transform != "PROBIT"):
        return result
    return scores.transform(read.narrowed(result), model.transform)


def _base(values: Array, targets: int) -> Array:
    if len(values) not in (0, targets):
        raise Refuse(f"{len(values)} base_values for {targets} targets")
    return values


def _targets(node: Node) -> int:
    targets = read.integer(node, "n_targets", 1)
    if not 0 < targets <= _MOST_TARGETS:
        raise Refuse(f"n_targets is {targets}")
    return targets


@lru_cache(maxsize=32)
def regressor(node: Node, dtype: str) -> Regressor:
    """The node read for inputs of this type. Raises Refuse."""
    compute = _compute_type(dtype)
    targets = _targets(node)
    return Regressor(
        attributes.listed(node, "target", targets, compute),
        targets,
        _base(attributes.numbers(node, "base_values", compute), targets),
        read.choice(node, "aggregate_function", "SUM", _AGGREGATES),
        scores.post_transform(node),
    )


def _infer_regressor(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    (x,) = read.required(inputs, 1)
    rows, features = read.matrix_shape(x)
    model = regressor(node, x.dtype)
    _check_features(model.forest, features)
    return [TensorType("float32", (rows, model.targets))]


def _work_regressor(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """As TreeEnsemble, with a weight for each target."""
    (x,) = read.required(inputs, 1)
    model = regressor(node, x.dtype)
    return _work(model.forest, read.matrix_shape(x)[0], model.targets, model.transform)


def _run_regressor(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x = read.matrix(read.given(inputs))
    model = regressor(node, x.dtype.name)
    return [read.narrowed(_regress(model, x.astype(model.forest.dtype)))]


register(
    "TreeEnsembleRegressor", _infer_regressor, _run_regressor, _work_regressor, domain=read.DOMAIN
)


# TreeEnsemble. ML-36


@lru_cache(maxsize=32)
def ensemble(node: Node, dtype: str) -> Regressor:
    """The node read for inputs of this type. Raises Refuse."""
    compute = _compute_type(dtype)
    targets = _targets(node)
    aggregate = read.integer(node, "aggregate_function", 1)
    transform = read.integer(node, "post_transform", 0)
    if not 0 <= aggregate < len(_AGGREGATES):
        raise Refuse(f"aggregate_function is {aggregate}")
    if not 0 <= transform < len(_TRANSFORMS):
        raise Refuse(f"post_transform is {transform}")
    forest = attributes.indexed(node, targets, compute)
    nothing = np.zeros(0, compute)
    return Regressor(forest, targets, nothing, _AGGREGATES[aggregate], _TRANSFORMS[transform])


def _infer_ensemble(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    (x,) = read.required(inputs, 1)
    rows, features = read.matrix_shape(x, ("float32", "float64"))
    model = ensemble(node, x.dtype)
    _check_features(model.forest, features)
    return [TensorType(x.dtype, (rows, model.targets))]


def _work_ensemble(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """For each row four elements a level of every tree and two for each weight of its leaf; eight
    for each output, two functions where it is transformed."""
    (x,) = read.required(inputs, 1)
    model = ensemble(node, x.dtype)
    return _work(model.forest, read.matrix_shape(x)[0], model.targets, model.transform)


def _run_ensemble(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    x = read.matrix(read.given(inputs))
    return [_regress(ensemble(node, x.dtype.name), x).astype(x.dtype)]


register(
    "TreeEnsemble", _infer_ensemble, _run_ensemble, _work_ensemble, domain=read.DOMAIN, since=5
)


# Classification. ML-34, ML-35


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """`single` is set where all weights are for one of two classes; `positive` where none of
    them is negative."""

    forest: Forest
    classes: read.Labels
    base: Array
    transform: str
    single: bool
    positive: bool


@lru_cache(maxsize=32)
def classifier(node: Node, dtype: str) -> Classifier:
    """The node read for inputs of this type. Raises Refuse."""
    compute = _compute_type(dtype)
    classes = read.labels(node, "classlabels_int64s", "classlabels_strings")
    if classes.count < 2:
        raise Refuse("a classifier of a single class")
    transform = scores.post_transform(node)
    forest = attributes.listed(node, "class", classes.count, compute)
    base = attributes.numbers(node, "base_values", compute)
    if len(base) not in (0, classes.count) and not (len(base) == 1 and classes.count == 2):
        raise Refuse(f"{len(base)} base_values for {classes.count} classes")
    weighed = np.unique(read.integers(node, "class_ids"))
    single = classes.count == 2 and len(weighed) == 1
    if classes.count == 2:
        scores.refuse_binary_probit(transform)
    positive = not (attributes.numbers(node, "class_weights", compute) < 0).any()
    return Classifier(forest, classes, base, transform, single, positive)


@quiet
def _many(model: Classifier, score: Array, seen: Array) -> tuple[Array, Array]:
    """More than two classes: the first largest score among those that some leaf gave. ML-34"""
    if len(model.base):
        score = score + model.base
        seen = np.ones_like(seen)
    best = np.zeros(len(score), np.int64)
    largest = score[:, 0]
    known = seen[:, 0]
    for column in range(1, score.shape[1]):
        better = seen[:, column] & (~known | (score[:, column] > largest))
        best[better] = column
        largest = np.where(better, score[:, column], largest)
        known = known | seen[:, column]
    return best, scores.transform(read.narrowed(score), model.transform)


@quiet
def _two(model: Classifier, score: Array, seen: Array) -> tuple[Array, Array]:
    """Two classes: one score stands for both unless some leaf gave the second class one. ML-35"""
    first: Array = score[:, 0]
    second: Array = score[:, 1]
    both: Array = seen[:, 1]
    if len(model.base) == 2:
        joint: Array = first + model.base[1:]
        first = np.where(both, -joint, first + model.base[:1])
        second = np.where(both, joint, second)
    elif len(model.base) == 1:
        first = first + model.base
    zero = model.forest.dtype.type(0)
    first = np.where(seen[:, 0], first, zero)
    second = np.where(both, second, zero)
    wide = read.narrowed(np.stack([first, second], axis=1))
    result = scores.transform(wide, model.transform)
    if len(model.base) < 2:
        result = np.where(both[:, None], result, _one_for_both(model, first))
    deciding = np.where(both, second, first)
    if model.single:
        return (deciding > (0.5 if model.positive else 0)).astype(np.int64), result
    return np.where(both, second > first, deciding > 0).astype(np.int64), result


def _one_for_both(model: Classifier, score: Array) -> Array:
    """Columns of the two classes from the score of the second."""
    if not (model.single and model.positive):
        return scores.opposed(read.narrowed(score), model.transform)
    if model.transform == "LOGISTIC":
        return scores.complement(read.narrowed(score), model.transform)
    return read.narrowed(np.stack([1 - score, score], axis=1))


def _infer_classifier(node: Node, inputs: Sequence[Value | None], scope: Scope) -> list[ValueType]:
    (x,) = read.required(inputs, 1)
    rows, features = read.matrix_shape(x)
    model = classifier(node, x.dtype)
    _check_features(model.forest, features)
    count = model.classes.count
    return [TensorType(model.classes.dtype, (rows,)), TensorType("float32", (rows, count))]


def _work_classifier(
    node: Node, inputs: Sequence[Value | None], outputs: Sequence[ValueType], scope: Scope
) -> Work:
    """As TreeEnsemble, with a weight for each class."""
    (x,) = read.required(inputs, 1)
    model = classifier(node, x.dtype)
    rows = read.matrix_shape(x)[0]
    return _work(model.forest, rows, model.classes.count, model.transform)


def _run_classifier(node: Node, inputs: Sequence[Array | None], scope: Scope) -> list[Array]:
    given = read.matrix(read.given(inputs))
    model = classifier(node, given.dtype.name)
    forest, count = model.forest, model.classes.count
    x = given.astype(forest.dtype)
    finish = _two if count == 2 else _many
    chosen = np.zeros(len(x), np.int64)
    result = np.zeros((len(x), count), np.float32)
    for part in _chunks(forest, x):
        reached = forests.leaves(forest, x[part])
        chosen[part], result[part] = finish(
            model, *forests.aggregate(forest, reached, count, "SUM")
        )
    return [model.classes.pick(chosen), result]


register(
    "TreeEnsembleClassifier",
    _infer_classifier,
    _run_classifier,
    _work_classifier,
    domain=read.DOMAIN,
)
