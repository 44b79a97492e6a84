"""Linear models and support vector machines of ai.onnx.ml. ML-4 to ML-9, ML-22 to ML-28"""

from __future__ import annotations

import numpy as np

from synnergy.tensor.kernels.program import Builder, Operand
from synnergy.tensor.kernels.steps import Step
from synnergy.tensor.lowering.elementwise import Binary, binary, converted, scalar
from synnergy.tensor.lowering.functions import Function, apply
from synnergy.tensor.lowering.matmul import Factor, packed
from synnergy.tensor.lowering.registry import Site, lowers
from synnergy.tensor.lowering.walks import broadcast, walk
from synnergy.tensor.operators import ml_attributes as read
from synnergy.tensor.operators import ml_linear, ml_scores, ml_svm
from synnergy.tensor.operators.ml_kernels import Kernel
from synnergy.tensor.types import Array

#: Forms of SCORES_F32: as many columns as scores, or two of one score.
PLAIN, COMPLEMENT, OPPOSED = range(3)
#: Rules of CHOOSE_F32.
_LARGEST, _ABOVE_ZERO, _SECOND_ABOVE_ZERO, _SECOND_FROM_HALF = range(4)
#: What rows of transposed vectors are padded to: the largest vector of any build.
_VECTOR = 16


def transform_code(name: str) -> int:
    """A post_transform as kernels number it."""
    return ml_scores.TRANSFORMS.index(name)


def final_scores(builder: Builder, scores: Operand, transform: str, form: int = PLAIN) -> Operand:
    """Rows of raw float32 scores to what comes out. ML-5"""
    rows, count = scores.shape
    result = builder.tensor("float32", (rows, count if form == PLAIN else 2))
    code = transform_code(transform)
    builder.step(Step.SCORES_F32, result, scores, rows, count, code, form)
    return result


def label_table(site: Site, classes: read.Labels) -> Operand:
    """What a class's number becomes in the first output: its label, or its place among texts."""
    if classes.dtype == "int64":
        return site.builder.constant(classes.values)
    site.labels[0] = classes.values
    return site.builder.constant(np.arange(classes.count, dtype=np.int64))


def matrix(x: Operand) -> Operand:
    """Rows and features of an input; rank 1 is a single row."""
    return x.reshaped((1, *x.shape)) if len(x.shape) == 1 else x


def _product(builder: Builder, x: Operand, b: Array, start: Array | None) -> Operand:
    """x b, started from `start`: one number, one for each column, or nothing. TENSOR-10"""
    (m, k), n = x.shape, b.shape[1]
    factor = builder.constant(np.ascontiguousarray(b))
    panels = packed(builder, Factor(factor, k, n, n, 1), ())
    result = builder.tensor("float32", (m, n))
    first = None if start is None else builder.constant(start)
    step = 0 if start is None or start.size == 1 else 1
    builder.step(Step.MATMUL_F32, *(result, x, panels, first, m, n, k, k, n, 0, step, 0, 0))
    return result


def _choice(site: Site, scores: Operand, classes: read.Labels, rule: int) -> Operand:
    rows, count = scores.shape
    labels = site.builder.tensor("int64", (rows,))
    table = label_table(site, classes)
    site.builder.step(Step.CHOOSE_F32, labels, table, scores, rows, count, rule)
    return labels


@lowers("LinearClassifier", domain=read.DOMAIN, labelling=True)
def linear_classifier(site: Site) -> list[Operand] | None:
    x, builder = site.inputs[0], site.builder
    if x is None or not x.elements:
        return None
    model, classes = ml_linear.classifier(site.node)
    narrow = converted(builder, matrix(x), "float32")
    raw = _product(builder, narrow, model.coefficients, model.intercepts)
    one = model.targets == 1
    labels = _choice(site, raw, classes, _ABOVE_ZERO if one else _LARGEST)
    form = COMPLEMENT if one else PLAIN
    return [labels, final_scores(builder, raw, model.transform, form)]


@lowers("LinearRegressor", domain=read.DOMAIN)
def linear_regressor(site: Site) -> list[Operand] | None:
    x, builder = site.inputs[0], site.builder
    if x is None or not x.elements:
        return None
    model = ml_linear.regressor(site.node)
    narrow = converted(builder, matrix(x), "float32")
    raw = _product(builder, narrow, model.coefficients, model.intercepts)
    if model.transform == "NONE" or (model.targets == 1 and model.transform != "PROBIT"):
        return [raw]
    return [final_scores(builder, raw, model.transform)]


# Support vector machines


def _compared(site: Site, x: Operand, kernel: Kernel) -> Operand:
    """The kernel's value of every row with every vector. ML-24"""
    builder = site.builder
    if kernel.name == "RBF":
        features, count = kernel.features, kernel.count
        padded = -(-count // _VECTOR) * _VECTOR
        vectors = np.zeros((features, padded), np.float32)
        vectors[:, :count] = kernel.vectors.T
        squares = builder.tensor("float32", (x.shape[0], count))
        fixed = (x.shape[0], count, features, padded)
        builder.step(Step.DISTANCES, squares, x, builder.constant(vectors), *fixed)
        scaled = binary(
            builder, Binary.MUL, scalar(builder, "float32", -float(kernel.gamma)), squares
        )
        return apply(site, Function.EXP, scaled, 0.0, 0.0)
    product = _product(builder, x, kernel.vectors.T, None)
    if kernel.name == "LINEAR":
        return product
    base = binary(builder, Binary.MUL, scalar(builder, "float32", float(kernel.gamma)), product)
    if kernel.offset != 0:
        base = binary(builder, Binary.ADD, base, scalar(builder, "float32", float(kernel.offset)))
    if kernel.name == "SIGMOID":
        return apply(site, Function.TANH, base, 0.0, 0.0)
    if kernel.degree in (2, 3):
        square = binary(builder, Binary.MUL, base, base)
        return square if kernel.degree == 2 else binary(builder, Binary.MUL, square, base)
    return binary(builder, Binary.POWER, base, scalar(builder, "float32", float(kernel.degree)))


@lowers("SVMClassifier", domain=read.DOMAIN, labelling=True)
def svm_classifier(site: Site) -> list[Operand] | None:
    x, builder = site.inputs[0], site.builder
    if x is None or not x.elements:
        return None
    model = ml_svm.classifier(site.node)
    count = model.classes.count
    narrow = converted(builder, matrix(x), "float32")
    rows = narrow.shape[0]
    if model.starts is None:
        raw = _product(builder, narrow, model.kernel.vectors.T, model.rho[:1])
        rule = _SECOND_FROM_HALF if model.positive else _SECOND_ABOVE_ZERO
        labels = _choice(site, raw, model.classes, rule if count == 2 else _LARGEST)
        return [labels, final_scores(builder, raw, model.transform)]
    decisions = builder.tensor("float32", (rows, model.pairs))
    labels = builder.tensor("int64", (rows,))
    builder.step(
        Step.DECIDE_PAIRS,
        *(decisions, labels, label_table(site, model.classes)),
        *(_compared(site, narrow, model.kernel), builder.constant(model.coefficients)),
        *(builder.constant(np.array(model.starts, np.int64)), builder.constant(model.rho)),
        *(rows, model.kernel.count, count, builder.thread_scratch(8 * count)),
    )
    if not len(model.prob_a):
        form = PLAIN if count > 2 else OPPOSED if model.transform == "NONE" else COMPLEMENT
        return [labels, final_scores(builder, decisions, model.transform, form)]
    coupled = builder.tensor("float32", (rows, count))
    builder.step(
        Step.COUPLE_PAIRS,
        *(coupled, decisions, builder.constant(model.prob_a), builder.constant(model.prob_b)),
        *(rows, count, builder.thread_scratch(4 * count * (2 * count + 1))),
    )
    return [labels, final_scores(builder, coupled, model.transform)]


@lowers("SVMRegressor", domain=read.DOMAIN)
def svm_regressor(site: Site) -> list[Operand] | None:
    x, builder = site.inputs[0], site.builder
    if x is None or not x.elements:
        return None
    model = ml_svm.regressor(site.node)
    narrow = converted(builder, matrix(x), "float32")
    if model.coefficients is None:
        value = _product(builder, narrow, model.kernel.vectors.T, model.rho)
    else:
        values = _compared(site, narrow, model.kernel)
        value = _product(builder, values, model.coefficients[:, None], model.rho)
    if not model.one_class:
        return [value]
    inside = binary(builder, Binary.LESS, scalar(builder, "float32", 0), value)
    result = builder.tensor("float32", value.shape)
    ends = (scalar(builder, "float32", 1), scalar(builder, "float32", -1))
    strides = [broadcast(each.shape, result.shape) for each in (inside, *ends)]
    builder.step(Step.WHERE, 4, result, inside, *ends, *walk(result.shape, *strides))
    return [result]
