"""From raw scores to the scores that classifiers and regressors put out (ML-5 to ML-9).

All arithmetic is float32. Rows are samples, columns classes or targets.
"""

from __future__ import annotations

import numpy as np

from synnergy.tensor import numerics
from synnergy.tensor.environment import quiet
from synnergy.tensor.operators import ml_attributes as read
from synnergy.tensor.types import Array, Node, Refuse

TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")

_ONE = np.float32(1)
_LOWEST = np.finfo(np.float32).min
_NEARLY_ZERO = np.float32(1e-7)
_SQRT2 = np.float32(1.4142135623730951)
# Winitzki's approximation of the inverse error function.
_WINITZKI = np.float32(0.147)
_WINITZKI_TERM = np.float32(2) / (np.float32(3.141592653589793) * _WINITZKI)


def post_transform(node: Node) -> str:
    """The attribute of that name."""
    return read.choice(node, "post_transform", "NONE", TRANSFORMS)


@quiet
def logistic(x: Array) -> Array:
    """1 / (1 + e^-|x|), for negative x one minus that; NaN stays NaN. ML-6"""
    v = _ONE / (_ONE + numerics.exp(-np.abs(x)))
    return np.where(x < 0, _ONE - v, v)


@quiet
def probit(x: Array) -> Array:
    """Inverse normal distribution function by Winitzki's formula, as the oracle has it. ML-7"""
    y = np.float32(2) * x - _ONE
    log = numerics.log((_ONE - y) * (_ONE + y))
    v = _WINITZKI_TERM + np.float32(0.5) * log
    v2 = _ONE / _WINITZKI * log
    v3 = -v + numerics.sqrt(v * v - v2)
    root = numerics.sqrt(v3)
    return _SQRT2 * np.where(y < 0, -root, root)


def _largest(scores: Array) -> Array:
    """Largest score of each row as a column; NaN is passed over, at least the lowest float."""
    if scores.shape[1] == 0:
        return np.zeros((len(scores), 1), np.float32)
    known = np.where(np.isnan(scores), _LOWEST, scores)
    return np.maximum(known.max(axis=1, keepdims=True), _LOWEST)


@quiet
def softmax(scores: Array) -> Array:
    """e^(s - max) over its sum, row by row. ML-8"""
    powers = numerics.exp(scores - _largest(scores))
    return powers / numerics.ordered_sum(powers, 1, keepdims=True)


@quiet
def softmax_zero(scores: Array) -> Array:
    """Softmax in which scores within 1e-7 of zero take no part. ML-9"""
    largest = _largest(scores)
    counts = (scores > _NEARLY_ZERO) | (scores < -_NEARLY_ZERO)
    powers = numerics.exp(scores - largest)
    total = numerics.ordered_sum(np.where(counts, powers, np.float32(0)), 1, keepdims=True)
    return np.where(counts, powers, scores * numerics.exp(-largest)) / total


@quiet
def transform(scores: Array, name: str) -> Array:
    """The post_transform over rows of two or more scores. ML-5"""
    match name:
        case "SOFTMAX":
            return softmax(scores)
        case "LOGISTIC":
            return logistic(scores)
        case "SOFTMAX_ZERO":
            return softmax_zero(scores)
        case "PROBIT":
            return probit(scores)
        case _:
            return scores


@quiet
def complement(score: Array, name: str) -> Array:
    """One score s per row, through LOGISTIC where that is asked, to the columns 1 - s, s. ML-5"""
    final = logistic(score) if name == "LOGISTIC" else score
    return np.stack([_ONE - final, final], axis=1)


@quiet
def opposed(score: Array, name: str) -> Array:
    """One score s per row to the columns -s and s, through LOGISTIC where that is asked. ML-5"""
    both = np.stack([-score, score], axis=1)
    return logistic(both) if name == "LOGISTIC" else both


def refuse_binary_probit(name: str) -> None:
    """The oracle leaves the second column undefined there, so there is nothing to agree with."""
    if name == "PROBIT":
        raise Refuse("post_transform PROBIT with a single score for two classes")


def first_largest(scores: Array) -> Array:
    """Index of the first largest score of each row; NaN never beats what came before. ML-4"""
    best = np.zeros(len(scores), np.int64)
    score = scores[:, 0].copy()
    for column in range(1, scores.shape[1]):
        larger = scores[:, column] > score
        best[larger] = column
        score = np.where(larger, scores[:, column], score)
    return best
