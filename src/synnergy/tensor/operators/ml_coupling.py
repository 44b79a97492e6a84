"""Class probabilities from pairwise probabilities: libsvm's iteration in float32 (ML-27).

Wu, Lin and Weng, "Probability estimates for multi-class classification by pairwise coupling",
Journal of Machine Learning Research 5 (2004), second method. All rows advance together; a row
that has converged is left alone.
"""

from __future__ import annotations

import numpy as np

from synnergy.tensor.environment import quiet
from synnergy.tensor.operators.ml_scores import logistic
from synnergy.tensor.types import Array

#: Iterations after which a row that has not converged is taken as it is.
LIMIT = 100

_ONE = np.float32(1)
_TWO = np.float32(2)
_SMALLEST = np.float32(1e-7)
_LARGEST = _ONE - _SMALLEST


@quiet
def pairwise(decisions: Array, prob_a: Array, prob_b: Array, classes: int) -> Array:
    """Rows × classes × classes of P(i | i or j) by Platt's sigmoid, clipped to [1e-7, 1 - 1e-7].

    `decisions` is rows × pairs, pairs in the order (0, 1), (0, 2) … (1, 2) ….
    """
    result = np.zeros((len(decisions), classes, classes), np.float32)
    pair = 0
    for i in range(classes):
        for j in range(i + 1, classes):
            score = decisions[:, pair] * prob_a[pair] + prob_b[pair]
            first = _ONE - logistic(score)
            first = np.where(first < _SMALLEST, _SMALLEST, first)
            first = np.where(first > _LARGEST, _LARGEST, first)
            result[:, i, j] = first
            result[:, j, i] = _ONE - first
            pair += 1
    return result


@quiet
def couple(pairs: Array) -> Array:
    """Rows × classes of probabilities from rows × classes × classes of pairwise ones."""
    rows, classes, _ = pairs.shape
    q = _quadratic(pairs)
    p = np.full((rows, classes), _ONE / np.float32(classes), np.float32)
    active: Array = np.arange(rows, dtype=np.int64)
    for _ in range(LIMIT):
        if len(active) == 0:
            break
        quadratic, current = q[active], p[active]
        gradient, total = _gradient(quadratic, current)
        error = np.zeros(len(active), np.float32)
        for i in range(classes):
            distance = np.abs(gradient[:, i] - total)
            error = np.where(distance > error, distance, error)
        moving = ~(error < np.float32(0.005) / np.float32(classes))
        active = np.compress(moving, active)
        p[active] = _step(quadratic[moving], current[moving], gradient[moving], total[moving])
    return p


def _quadratic(pairs: Array) -> Array:
    """Q of the paper: diagonal Σ r_ji² in order of j, elsewhere -r_ji r_ij."""
    classes = pairs.shape[1]
    q = -(np.swapaxes(pairs, 1, 2) * pairs)
    for i in range(classes):
        total = np.zeros(len(pairs), np.float32)
        for j in range(classes):
            if j != i:
                total = total + pairs[:, j, i] * pairs[:, j, i]
        q[:, i, i] = total
    return q


def _gradient(q: Array, p: Array) -> tuple[Array, Array]:
    """(Qp, pᵀQp) of every row, summed in order of the classes."""
    product = np.zeros_like(p)
    for j in range(p.shape[1]):
        product = product + q[:, :, j] * p[:, j, None]
    total = np.zeros(len(p), np.float32)
    for i in range(p.shape[1]):
        total = total + p[:, i] * product[:, i]
    return product, total


def _step(q: Array, p: Array, product: Array, total: Array) -> Array:
    """One pass over the coordinates, each set to its optimum and p scaled back to sum 1."""
    for i in range(p.shape[1]):
        diagonal = q[:, i, i]
        change = (-product[:, i] + total) / diagonal
        scale = _ONE + change
        p[:, i] = p[:, i] + change
        total = (total + change * (change * diagonal + _TWO * product[:, i])) / scale / scale
        product = (product + change[:, None] * q[:, i, :]) / scale[:, None]
        p = p / scale[:, None]
    return p
